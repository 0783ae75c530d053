// SPDX-License-Identifier: GPL-2.0-only

//! Appends messages and attributes to a buffer, like the kernel's `nla_put_*`.
//!
//! Lengths are filled in when a nest or a message ends, so nothing is measured first and only the
//! buffer is allocated. It does not check whether the attributes make sense together.

use netlink_packet_core::{Emitable, NLA_ALIGNTO, NLA_HEADER_SIZE, NetlinkHeader};
use netlink_packet_generic::{GenlHeader, constants::GENL_HDRLEN};

use crate::bytes;

/// Length of `struct nlmsghdr`.
const NLMSG_HDRLEN: usize = 16;

/// Appends to a buffer.
///
/// An attribute's length has 16 bits. A longer one is not written at all, and neither is a nest
/// that becomes too long; the length of a message is not limited. Everything that this crate writes
/// is far shorter.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Appends to the contents of `buffer`.
    pub fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer }
    }

    /// Writes a message: both headers and the body, with the total length. The length in `header`
    /// is ignored.
    pub fn message(
        &mut self,
        mut header: NetlinkHeader,
        genl: GenlHeader,
        body: impl FnOnce(&mut Self),
    ) {
        let start = self.buffer.len();
        self.buffer.resize(start + NLMSG_HDRLEN + GENL_HDRLEN, 0);
        body(self);
        let message = self.buffer.get_mut(start..).unwrap_or_default();
        header.length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        if let Some((head, rest)) = message.split_at_mut_checked(NLMSG_HDRLEN) {
            header.emit(head);
            genl.emit(rest);
        }
    }

    /// `nla_put`: an attribute with these bytes, and its padding.
    pub fn put(&mut self, kind: u16, payload: &[u8]) {
        self.put_parts(kind, payload, &[]);
    }

    fn put_parts(&mut self, kind: u16, payload: &[u8], end: &[u8]) {
        let length = NLA_HEADER_SIZE + payload.len() + end.len();
        let Ok(wire_length) = u16::try_from(length) else {
            return;
        };
        self.buffer.extend_from_slice(&wire_length.to_ne_bytes());
        self.buffer.extend_from_slice(&kind.to_ne_bytes());
        self.buffer.extend_from_slice(payload);
        self.buffer.extend_from_slice(end);
        self.buffer.resize(
            self.buffer.len() + length.next_multiple_of(NLA_ALIGNTO) - length,
            0,
        );
    }

    /// `nla_put_u8`
    pub fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// `nla_put_u16`: native byte order.
    pub fn put_u16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// `nla_put_be16`: from host order to network order.
    pub fn put_be16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_be_bytes());
    }

    /// `nla_put_u32`: native byte order.
    pub fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// `nla_put_u64_64bit` on architectures without padding: native byte order.
    pub fn put_u64(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// `nla_put_string`: the bytes up to the first NUL, and a NUL.
    pub fn put_string(&mut self, kind: u16, value: &[u8]) {
        self.put_parts(kind, bytes::until_nul(value), &[0]);
    }

    /// An attribute with the attributes that `body` writes; without `NLA_F_NESTED`, like IPVS,
    /// unless `kind` has it (`nla_nest_start_noflag`, `nla_nest_end`).
    pub fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.buffer.len();
        self.put(kind, &[]);
        body(self);
        match u16::try_from(self.buffer.len() - start) {
            Ok(length) => {
                if let Some(place) = self.buffer.get_mut(start..start + 2) {
                    place.copy_from_slice(&length.to_ne_bytes());
                }
            }
            Err(_) => self.buffer.truncate(start),
        }
    }

    /// Any type that can emit itself, such as an attribute of this crate. It is measured first.
    pub fn emit(&mut self, what: &impl Emitable) {
        let start = self.buffer.len();
        self.buffer.resize(start + what.buffer_len(), 0);
        what.emit(self.buffer.get_mut(start..).unwrap_or_default());
    }
}
