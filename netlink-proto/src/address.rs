// SPDX-License-Identifier: GPL-2.0-only

//! The address of a service or a destination: the kernel's `union nf_inet_addr`.
//!
//! The bytes alone do not determine the family; another attribute does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::DecodeError;

use crate::{AddressFamily, bytes};

/// An IPv4 address in the first 4 of 16 bytes, or an IPv6 address in all of them, in network order.
///
/// The kernel always sends 16 bytes. It accepts fewer, and then the rest is zero: some clients send
/// an IPv4 address as 4 bytes. The number of bytes is kept for emission, and ignored in
/// comparisons.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    octets: [u8; 16],
    wire_len: usize,
}

impl Address {
    /// Length on the wire of what the kernel sends: `sizeof(union nf_inet_addr)`.
    pub const LEN: usize = 16;

    /// All 16 bytes, as the kernel sends them.
    pub const fn new(octets: [u8; Self::LEN]) -> Self {
        Self {
            octets,
            wire_len: Self::LEN,
        }
    }

    /// Parses the payload of an attribute: up to 16 bytes. More are an error, as in the kernel's
    /// policy.
    pub fn from_wire(payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.len() > Self::LEN {
            return Err(DecodeError::from(format!(
                "an address has at most {} bytes, not {}",
                Self::LEN,
                payload.len()
            )));
        }
        Ok(Self::first_of(payload))
    }

    /// Reads a payload like `nla_memcpy`: longer ones are truncated.
    pub(crate) fn first_of(payload: &[u8]) -> Self {
        Self {
            octets: bytes::zero_filled(payload),
            wire_len: payload.len().min(Self::LEN),
        }
    }

    /// All 16 bytes; those that were not on the wire are zero.
    pub const fn octets(&self) -> [u8; Self::LEN] {
        self.octets
    }

    /// The bytes that go on the wire.
    pub fn wire(&self) -> &[u8] {
        self.octets.get(..self.wire_len).unwrap_or(&self.octets)
    }

    /// The address, read as one of `family`. For IPv4 the kernel only uses the first 4 bytes when
    /// it prints or routes. `None` for any other family.
    pub fn to_ip(&self, family: AddressFamily) -> Option<IpAddr> {
        match family {
            AddressFamily::Inet => Some(Ipv4Addr::from(bytes::zero_filled(&self.octets)).into()),
            AddressFamily::Inet6 => Some(Ipv6Addr::from(self.octets).into()),
            AddressFamily::Other(_) => None,
        }
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets
    }
}

impl Eq for Address {}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.octets.hash(state);
    }
}

impl From<Ipv4Addr> for Address {
    fn from(address: Ipv4Addr) -> Self {
        Self::new(bytes::zero_filled(&address.octets()))
    }
}

impl From<Ipv6Addr> for Address {
    fn from(address: Ipv6Addr) -> Self {
        Self::new(address.octets())
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => v6.into(),
        }
    }
}
