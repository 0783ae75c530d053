// SPDX-License-Identifier: GPL-2.0-only

//! Numbers and short arrays in the payload of an attribute.
//!
//! Reading takes the first bytes and ignores the rest, like the kernel's `nla_get_*` and
//! `nla_memcpy`, and never panics. Writing fills a slice of exactly the right length, which is the
//! contract of `Nla::emit_value`.

use netlink_packet_core::DecodeError;

/// The first `N` bytes.
pub(crate) fn first<const N: usize>(payload: &[u8]) -> Option<[u8; N]> {
    payload.first_chunk::<N>().copied()
}

/// The first `N` bytes, padded with zeros (`nla_memcpy`).
pub(crate) fn zero_filled<const N: usize>(payload: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(payload) {
        *to = *from;
    }
    bytes
}

/// The bytes before the first NUL, or all of them.
pub(crate) fn until_nul(payload: &[u8]) -> &[u8] {
    payload.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The first `N` bytes, or an error if there are fewer.
pub(crate) fn number<const N: usize>(payload: &[u8]) -> Result<[u8; N], DecodeError> {
    first(payload).ok_or_else(|| DecodeError::invalid_number(N, payload.len()))
}

/// `nla_get_u8`
pub(crate) fn get_u8(payload: &[u8]) -> Result<u8, DecodeError> {
    number(payload).map(u8::from_ne_bytes)
}

/// `nla_get_u16`
pub(crate) fn get_u16(payload: &[u8]) -> Result<u16, DecodeError> {
    number(payload).map(u16::from_ne_bytes)
}

/// `nla_get_be16`, to host order
pub(crate) fn get_be16(payload: &[u8]) -> Result<u16, DecodeError> {
    number(payload).map(u16::from_be_bytes)
}

/// `nla_get_u32`
pub(crate) fn get_u32(payload: &[u8]) -> Result<u32, DecodeError> {
    number(payload).map(u32::from_ne_bytes)
}

/// `nla_get_u64`
pub(crate) fn get_u64(payload: &[u8]) -> Result<u64, DecodeError> {
    number(payload).map(u64::from_ne_bytes)
}
