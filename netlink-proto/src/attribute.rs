// SPDX-License-Identifier: GPL-2.0-only

//! One attribute of a command: `IPVS_CMD_ATTR_*`.
//!
//! The attributes of the reply to a request for information are in [`InfoAttr`](crate::InfoAttr).

use netlink_packet_core::{DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable};

use crate::{DaemonAttr, DestinationAttr, Nest, ServiceAttr, bytes, constants::*, unknown};

/// One attribute of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IpvsAttr {
    /// A service.
    Service(Nest<ServiceAttr>),
    /// A destination.
    Dest(Nest<DestinationAttr>),
    /// A sync daemon.
    Daemon(Nest<DaemonAttr>),
    /// TCP connection timeout, seconds.
    TimeoutTcp(u32),
    /// TCP FIN wait timeout, seconds.
    TimeoutTcpFin(u32),
    /// UDP timeout, seconds.
    TimeoutUdp(u32),
    /// An unknown attribute.
    Other(DefaultNla),
}

impl Nla for IpvsAttr {
    fn value_len(&self) -> usize {
        match self {
            Self::Service(v) => v.value_len(),
            Self::Dest(v) => v.value_len(),
            Self::Daemon(v) => v.value_len(),
            Self::TimeoutTcp(_) | Self::TimeoutTcpFin(_) | Self::TimeoutUdp(_) => 4,
            Self::Other(v) => v.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Service(v) => v.kind(IPVS_CMD_ATTR_SERVICE),
            Self::Dest(v) => v.kind(IPVS_CMD_ATTR_DEST),
            Self::Daemon(v) => v.kind(IPVS_CMD_ATTR_DAEMON),
            Self::TimeoutTcp(_) => IPVS_CMD_ATTR_TIMEOUT_TCP,
            Self::TimeoutTcpFin(_) => IPVS_CMD_ATTR_TIMEOUT_TCP_FIN,
            Self::TimeoutUdp(_) => IPVS_CMD_ATTR_TIMEOUT_UDP,
            Self::Other(v) => v.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Service(v) => v.emit_value(buffer),
            Self::Dest(v) => v.emit_value(buffer),
            Self::Daemon(v) => v.emit_value(buffer),
            Self::TimeoutTcp(v) | Self::TimeoutTcpFin(v) | Self::TimeoutUdp(v) => {
                buffer.copy_from_slice(&v.to_ne_bytes());
            }
            Self::Other(v) => v.emit_value(buffer),
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Parseable<NlaBuffer<&'a T>> for IpvsAttr {
    fn parse(nla: &NlaBuffer<&'a T>) -> Result<Self, DecodeError> {
        let payload = nla.value();
        match nla.kind() {
            IPVS_CMD_ATTR_SERVICE => Nest::parse(nla).map(Self::Service),
            IPVS_CMD_ATTR_DEST => Nest::parse(nla).map(Self::Dest),
            IPVS_CMD_ATTR_DAEMON => Nest::parse(nla).map(Self::Daemon),
            IPVS_CMD_ATTR_TIMEOUT_TCP => bytes::get_u32(payload).map(Self::TimeoutTcp),
            IPVS_CMD_ATTR_TIMEOUT_TCP_FIN => bytes::get_u32(payload).map(Self::TimeoutTcpFin),
            IPVS_CMD_ATTR_TIMEOUT_UDP => bytes::get_u32(payload).map(Self::TimeoutUdp),
            _ => unknown::parse(nla).map(Self::Other),
        }
        .with_context(|| format!("invalid IPVS_CMD_ATTR {}", nla.kind()))
    }
}
