// SPDX-License-Identifier: GPL-2.0-only

//! One attribute of the reply to a request for information: `IPVS_INFO_ATTR_*`.
//!
//! The same numbers stand for other attributes in all other messages, so the command determines the
//! meaning: see [`IpvsPayload`](crate::IpvsPayload).

use netlink_packet_core::{DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable};

use crate::{bytes, constants::*, unknown};

/// One attribute of [`IpvsCommand::SetInfo`](crate::IpvsCommand::SetInfo).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfoAttr {
    /// Version of IPVS: major, minor and patch in one byte each; the lowest is the patch.
    Version(u32),
    /// Number of buckets of the connection hash table.
    ConnTabSize(u32),
    /// An unknown attribute.
    Other(DefaultNla),
}

impl Nla for InfoAttr {
    fn value_len(&self) -> usize {
        match self {
            Self::Version(_) | Self::ConnTabSize(_) => 4,
            Self::Other(v) => v.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Version(_) => IPVS_INFO_ATTR_VERSION,
            Self::ConnTabSize(_) => IPVS_INFO_ATTR_CONN_TAB_SIZE,
            Self::Other(v) => v.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Version(v) | Self::ConnTabSize(v) => buffer.copy_from_slice(&v.to_ne_bytes()),
            Self::Other(v) => v.emit_value(buffer),
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Parseable<NlaBuffer<&'a T>> for InfoAttr {
    fn parse(nla: &NlaBuffer<&'a T>) -> Result<Self, DecodeError> {
        match nla.kind() {
            IPVS_INFO_ATTR_VERSION => bytes::get_u32(nla.value()).map(Self::Version),
            IPVS_INFO_ATTR_CONN_TAB_SIZE => bytes::get_u32(nla.value()).map(Self::ConnTabSize),
            _ => unknown::parse(nla).map(Self::Other),
        }
        .with_context(|| format!("invalid IPVS_INFO_ATTR {}", nla.kind()))
    }
}
