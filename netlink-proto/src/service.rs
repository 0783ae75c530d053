// SPDX-License-Identifier: GPL-2.0-only

//! One attribute of a service: `IPVS_SVC_ATTR_*`.
//!
//! Whether all attributes that a command requires are present is not checked. Source:
//! `ip_vs_genl_fill_service` and `ip_vs_genl_parse_service` in `net/netfilter/ipvs/ip_vs_ctl.c`.

use netlink_packet_core::{DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable};

use crate::{
    Address, AddressFamily, Name, Nest, ServiceFlags, StatsAttr, bytes, constants::*, unknown,
};

/// One attribute of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceAttr {
    /// Address family of the service. Every request about a service requires it.
    Af(AddressFamily),
    /// Layer 4 protocol, `IPPROTO_*`.
    Protocol(u16),
    /// Virtual address. The kernel sends 16 bytes; for IPv4 the first 4 are used.
    Addr(Address),
    /// Virtual port, in host order here and in network order on the wire.
    Port(u16),
    /// Firewall mark: it identifies the service instead of protocol, address and port.
    Fwmark(u32),
    /// Name of the scheduler; at most 15 bytes. The kernel sends `none` for a service without one.
    SchedName(Name),
    /// Flags, and which of them to set.
    Flags(ServiceFlags),
    /// Persistence timeout, seconds.
    Timeout(u32),
    /// Persistence granularity. For IPv4 an address mask, whose bytes are in network order: they
    /// are `to_ne_bytes()` of this. For IPv6 a prefix length, as a plain number.
    ///
    /// The kernel stores the bytes unchanged (`nla_get_be32` does not swap); so does this.
    Netmask(u32),
    /// Statistics with 32-bit counters. Only in replies.
    Stats(Nest<StatsAttr>),
    /// Name of the persistence engine; at most 16 bytes.
    PeName(Name),
    /// Statistics with 64-bit counters. Only in replies.
    Stats64(Nest<StatsAttr>),
    /// An unknown attribute.
    Other(DefaultNla),
}

impl Nla for ServiceAttr {
    fn value_len(&self) -> usize {
        match self {
            Self::Af(_) | Self::Protocol(_) | Self::Port(_) => 2,
            Self::Fwmark(_) | Self::Timeout(_) | Self::Netmask(_) => 4,
            Self::Addr(v) => v.wire().len(),
            Self::SchedName(v) | Self::PeName(v) => v.wire_len(),
            Self::Flags(_) => ServiceFlags::LEN,
            Self::Stats(v) | Self::Stats64(v) => v.value_len(),
            Self::Other(v) => v.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Af(_) => IPVS_SVC_ATTR_AF,
            Self::Protocol(_) => IPVS_SVC_ATTR_PROTOCOL,
            Self::Addr(_) => IPVS_SVC_ATTR_ADDR,
            Self::Port(_) => IPVS_SVC_ATTR_PORT,
            Self::Fwmark(_) => IPVS_SVC_ATTR_FWMARK,
            Self::SchedName(_) => IPVS_SVC_ATTR_SCHED_NAME,
            Self::Flags(_) => IPVS_SVC_ATTR_FLAGS,
            Self::Timeout(_) => IPVS_SVC_ATTR_TIMEOUT,
            Self::Netmask(_) => IPVS_SVC_ATTR_NETMASK,
            Self::Stats(v) => v.kind(IPVS_SVC_ATTR_STATS),
            Self::PeName(_) => IPVS_SVC_ATTR_PE_NAME,
            Self::Stats64(v) => v.kind(IPVS_SVC_ATTR_STATS64),
            Self::Other(v) => v.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Af(v) => buffer.copy_from_slice(&u16::from(*v).to_ne_bytes()),
            Self::Protocol(v) => buffer.copy_from_slice(&v.to_ne_bytes()),
            Self::Addr(v) => buffer.copy_from_slice(v.wire()),
            Self::Port(v) => buffer.copy_from_slice(&v.to_be_bytes()),
            Self::Fwmark(v) | Self::Timeout(v) | Self::Netmask(v) => {
                buffer.copy_from_slice(&v.to_ne_bytes());
            }
            Self::SchedName(v) | Self::PeName(v) => v.emit(buffer),
            Self::Flags(v) => buffer.copy_from_slice(&v.to_wire()),
            Self::Stats(v) | Self::Stats64(v) => v.emit_value(buffer),
            Self::Other(v) => v.emit_value(buffer),
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Parseable<NlaBuffer<&'a T>> for ServiceAttr {
    fn parse(nla: &NlaBuffer<&'a T>) -> Result<Self, DecodeError> {
        let payload = nla.value();
        match nla.kind() {
            IPVS_SVC_ATTR_AF => bytes::get_u16(payload).map(|v| Self::Af(v.into())),
            IPVS_SVC_ATTR_PROTOCOL => bytes::get_u16(payload).map(Self::Protocol),
            IPVS_SVC_ATTR_ADDR => Address::from_wire(payload).map(Self::Addr),
            IPVS_SVC_ATTR_PORT => bytes::get_be16(payload).map(Self::Port),
            IPVS_SVC_ATTR_FWMARK => bytes::get_u32(payload).map(Self::Fwmark),
            IPVS_SVC_ATTR_SCHED_NAME => Ok(Self::SchedName(payload.into())),
            IPVS_SVC_ATTR_FLAGS => Ok(Self::Flags(ServiceFlags::first_of(payload))),
            IPVS_SVC_ATTR_TIMEOUT => bytes::get_u32(payload).map(Self::Timeout),
            IPVS_SVC_ATTR_NETMASK => bytes::get_u32(payload).map(Self::Netmask),
            IPVS_SVC_ATTR_STATS => Nest::parse(nla).map(Self::Stats),
            IPVS_SVC_ATTR_PE_NAME => Ok(Self::PeName(payload.into())),
            IPVS_SVC_ATTR_STATS64 => Nest::parse(nla).map(Self::Stats64),
            _ => unknown::parse(nla).map(Self::Other),
        }
        .with_context(|| format!("invalid IPVS_SVC_ATTR {}", nla.kind()))
    }
}
