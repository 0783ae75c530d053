// SPDX-License-Identifier: GPL-2.0-only

//! One attribute of a connection synchronisation daemon: `IPVS_DAEMON_ATTR_*`.
//!
//! Whether all attributes that a command requires are present is not checked. Source:
//! `ip_vs_genl_fill_daemon` and `ip_vs_genl_new_daemon` in `net/netfilter/ipvs/ip_vs_ctl.c`.

use std::net::{Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable};

use crate::{Name, bytes, constants::*, unknown};

/// One attribute of a sync daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DaemonAttr {
    /// Master or backup: a [`SyncState`](crate::SyncState).
    State(u32),
    /// Multicast interface; at most 15 bytes.
    McastIfn(Name),
    /// Sync id.
    SyncId(u32),
    /// Longest UDP payload in bytes; 0 for the maximum that the interface's MTU allows.
    SyncMaxlen(u16),
    /// IPv4 multicast group.
    McastGroup(Ipv4Addr),
    /// IPv6 multicast group.
    McastGroup6(Ipv6Addr),
    /// First multicast port. It is in native order on the wire, unlike all other ports: the kernel
    /// uses `nla_put_u16`.
    McastPort(u16),
    /// Multicast TTL, hops.
    McastTtl(u8),
    /// An unknown attribute.
    Other(DefaultNla),
}

impl Nla for DaemonAttr {
    fn value_len(&self) -> usize {
        match self {
            Self::McastTtl(_) => 1,
            Self::SyncMaxlen(_) | Self::McastPort(_) => 2,
            Self::State(_) | Self::SyncId(_) | Self::McastGroup(_) => 4,
            Self::McastGroup6(_) => 16,
            Self::McastIfn(v) => v.wire_len(),
            Self::Other(v) => v.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::State(_) => IPVS_DAEMON_ATTR_STATE,
            Self::McastIfn(_) => IPVS_DAEMON_ATTR_MCAST_IFN,
            Self::SyncId(_) => IPVS_DAEMON_ATTR_SYNC_ID,
            Self::SyncMaxlen(_) => IPVS_DAEMON_ATTR_SYNC_MAXLEN,
            Self::McastGroup(_) => IPVS_DAEMON_ATTR_MCAST_GROUP,
            Self::McastGroup6(_) => IPVS_DAEMON_ATTR_MCAST_GROUP6,
            Self::McastPort(_) => IPVS_DAEMON_ATTR_MCAST_PORT,
            Self::McastTtl(_) => IPVS_DAEMON_ATTR_MCAST_TTL,
            Self::Other(v) => v.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::State(v) | Self::SyncId(v) => buffer.copy_from_slice(&v.to_ne_bytes()),
            Self::McastIfn(v) => v.emit(buffer),
            Self::SyncMaxlen(v) | Self::McastPort(v) => buffer.copy_from_slice(&v.to_ne_bytes()),
            Self::McastGroup(v) => buffer.copy_from_slice(&v.octets()),
            Self::McastGroup6(v) => buffer.copy_from_slice(&v.octets()),
            Self::McastTtl(v) => buffer.copy_from_slice(&v.to_ne_bytes()),
            Self::Other(v) => v.emit_value(buffer),
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Parseable<NlaBuffer<&'a T>> for DaemonAttr {
    fn parse(nla: &NlaBuffer<&'a T>) -> Result<Self, DecodeError> {
        let payload = nla.value();
        match nla.kind() {
            IPVS_DAEMON_ATTR_STATE => bytes::get_u32(payload).map(Self::State),
            IPVS_DAEMON_ATTR_MCAST_IFN => Ok(Self::McastIfn(payload.into())),
            IPVS_DAEMON_ATTR_SYNC_ID => bytes::get_u32(payload).map(Self::SyncId),
            IPVS_DAEMON_ATTR_SYNC_MAXLEN => bytes::get_u16(payload).map(Self::SyncMaxlen),
            IPVS_DAEMON_ATTR_MCAST_GROUP => {
                bytes::number::<4>(payload).map(|v| Self::McastGroup(v.into()))
            }
            IPVS_DAEMON_ATTR_MCAST_GROUP6 => {
                bytes::number::<16>(payload).map(|v| Self::McastGroup6(v.into()))
            }
            IPVS_DAEMON_ATTR_MCAST_PORT => bytes::get_u16(payload).map(Self::McastPort),
            IPVS_DAEMON_ATTR_MCAST_TTL => bytes::get_u8(payload).map(Self::McastTtl),
            _ => unknown::parse(nla).map(Self::Other),
        }
        .with_context(|| format!("invalid IPVS_DAEMON_ATTR {}", nla.kind()))
    }
}
