// SPDX-License-Identifier: GPL-2.0-only

//! One attribute of a destination (a real server): `IPVS_DEST_ATTR_*`.
//!
//! Whether all attributes that a command requires are present is not checked. Source:
//! `ip_vs_genl_fill_dest` and `ip_vs_genl_parse_dest` in `net/netfilter/ipvs/ip_vs_ctl.c`.

use netlink_packet_core::{DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable};

use crate::{Address, AddressFamily, Nest, StatsAttr, bytes, constants::*, unknown};

/// One attribute of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DestinationAttr {
    /// Real server's address. The kernel sends 16 bytes; for IPv4 the first 4 are used.
    Addr(Address),
    /// Real server's port, in host order here and in network order on the wire.
    Port(u16),
    /// Forwarding method: a [`ForwardMethod`](crate::ForwardMethod) in the low bits. The kernel
    /// ignores the others in a request and sends none.
    FwdMethod(u32),
    /// Weight: this server's share relative to the weights of the others. With 0 it gets no new
    /// connections.
    Weight(u32),
    /// Upper threshold, number of connections: with this many it gets no new ones; 0 for no
    /// threshold.
    UThresh(u32),
    /// Lower threshold, number of connections: below this many it gets new ones again.
    LThresh(u32),
    /// Number of active connections. Only in replies.
    ActiveConns(u32),
    /// Number of inactive connections. Only in replies.
    InactConns(u32),
    /// Number of persistence templates. Only in replies.
    PersistConns(u32),
    /// Statistics with 32-bit counters. Only in replies.
    Stats(Nest<StatsAttr>),
    /// Address family of the address: with tunnels it may differ from the service's.
    AddrFamily(AddressFamily),
    /// Statistics with 64-bit counters. Only in replies.
    Stats64(Nest<StatsAttr>),
    /// Type of tunnel: a [`TunnelType`](crate::TunnelType).
    TunType(u8),
    /// Port of the tunnel, in host order here and in network order on the wire.
    TunPort(u16),
    /// Flags of the tunnel, `IP_VS_TUNNEL_ENCAP_FLAG_*`.
    TunFlags(u16),
    /// An unknown attribute.
    Other(DefaultNla),
}

impl Nla for DestinationAttr {
    fn value_len(&self) -> usize {
        match self {
            Self::TunType(_) => 1,
            Self::Port(_) | Self::AddrFamily(_) | Self::TunPort(_) | Self::TunFlags(_) => 2,
            Self::FwdMethod(_)
            | Self::Weight(_)
            | Self::UThresh(_)
            | Self::LThresh(_)
            | Self::ActiveConns(_)
            | Self::InactConns(_)
            | Self::PersistConns(_) => 4,
            Self::Addr(v) => v.wire().len(),
            Self::Stats(v) | Self::Stats64(v) => v.value_len(),
            Self::Other(v) => v.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Addr(_) => IPVS_DEST_ATTR_ADDR,
            Self::Port(_) => IPVS_DEST_ATTR_PORT,
            Self::FwdMethod(_) => IPVS_DEST_ATTR_FWD_METHOD,
            Self::Weight(_) => IPVS_DEST_ATTR_WEIGHT,
            Self::UThresh(_) => IPVS_DEST_ATTR_U_THRESH,
            Self::LThresh(_) => IPVS_DEST_ATTR_L_THRESH,
            Self::ActiveConns(_) => IPVS_DEST_ATTR_ACTIVE_CONNS,
            Self::InactConns(_) => IPVS_DEST_ATTR_INACT_CONNS,
            Self::PersistConns(_) => IPVS_DEST_ATTR_PERSIST_CONNS,
            Self::Stats(v) => v.kind(IPVS_DEST_ATTR_STATS),
            Self::AddrFamily(_) => IPVS_DEST_ATTR_ADDR_FAMILY,
            Self::Stats64(v) => v.kind(IPVS_DEST_ATTR_STATS64),
            Self::TunType(_) => IPVS_DEST_ATTR_TUN_TYPE,
            Self::TunPort(_) => IPVS_DEST_ATTR_TUN_PORT,
            Self::TunFlags(_) => IPVS_DEST_ATTR_TUN_FLAGS,
            Self::Other(v) => v.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Addr(v) => buffer.copy_from_slice(v.wire()),
            Self::Port(v) | Self::TunPort(v) => buffer.copy_from_slice(&v.to_be_bytes()),
            Self::FwdMethod(v)
            | Self::Weight(v)
            | Self::UThresh(v)
            | Self::LThresh(v)
            | Self::ActiveConns(v)
            | Self::InactConns(v)
            | Self::PersistConns(v) => buffer.copy_from_slice(&v.to_ne_bytes()),
            Self::Stats(v) | Self::Stats64(v) => v.emit_value(buffer),
            Self::AddrFamily(v) => buffer.copy_from_slice(&u16::from(*v).to_ne_bytes()),
            Self::TunType(v) => buffer.copy_from_slice(&v.to_ne_bytes()),
            Self::TunFlags(v) => buffer.copy_from_slice(&v.to_ne_bytes()),
            Self::Other(v) => v.emit_value(buffer),
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Parseable<NlaBuffer<&'a T>> for DestinationAttr {
    fn parse(nla: &NlaBuffer<&'a T>) -> Result<Self, DecodeError> {
        let payload = nla.value();
        match nla.kind() {
            IPVS_DEST_ATTR_ADDR => Address::from_wire(payload).map(Self::Addr),
            IPVS_DEST_ATTR_PORT => bytes::get_be16(payload).map(Self::Port),
            IPVS_DEST_ATTR_FWD_METHOD => bytes::get_u32(payload).map(Self::FwdMethod),
            IPVS_DEST_ATTR_WEIGHT => bytes::get_u32(payload).map(Self::Weight),
            IPVS_DEST_ATTR_U_THRESH => bytes::get_u32(payload).map(Self::UThresh),
            IPVS_DEST_ATTR_L_THRESH => bytes::get_u32(payload).map(Self::LThresh),
            IPVS_DEST_ATTR_ACTIVE_CONNS => bytes::get_u32(payload).map(Self::ActiveConns),
            IPVS_DEST_ATTR_INACT_CONNS => bytes::get_u32(payload).map(Self::InactConns),
            IPVS_DEST_ATTR_PERSIST_CONNS => bytes::get_u32(payload).map(Self::PersistConns),
            IPVS_DEST_ATTR_STATS => Nest::parse(nla).map(Self::Stats),
            IPVS_DEST_ATTR_ADDR_FAMILY => {
                bytes::get_u16(payload).map(|v| Self::AddrFamily(v.into()))
            }
            IPVS_DEST_ATTR_STATS64 => Nest::parse(nla).map(Self::Stats64),
            IPVS_DEST_ATTR_TUN_TYPE => bytes::get_u8(payload).map(Self::TunType),
            IPVS_DEST_ATTR_TUN_PORT => bytes::get_be16(payload).map(Self::TunPort),
            IPVS_DEST_ATTR_TUN_FLAGS => bytes::get_u16(payload).map(Self::TunFlags),
            _ => unknown::parse(nla).map(Self::Other),
        }
        .with_context(|| format!("invalid IPVS_DEST_ATTR {}", nla.kind()))
    }
}
