// SPDX-License-Identifier: GPL-2.0-only

//! A service, a destination and a sync daemon in the form in which the kernel sends them.
//!
//! Each writes the same attributes in the same order as `ip_vs_genl_fill_service`,
//! `ip_vs_genl_fill_dest` and `ip_vs_genl_fill_daemon` in `net/netfilter/ipvs/ip_vs_ctl.c`, without
//! allocating. They are for replies only; a request is an [`IpvsMessage`](crate::IpvsMessage).

use std::net::IpAddr;

use crate::{
    Address, AddressFamily, Counter, ServiceFlags, Stats, SyncState, constants::*, writer::Writer,
};

/// The key of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKey {
    /// A firewall mark other than 0.
    Fwmark(u32),
    /// A protocol, an address and a port.
    Address {
        /// Layer 4 protocol, `IPPROTO_*`.
        protocol: u16,
        /// Virtual address.
        addr: Address,
        /// Virtual port, host order.
        port: u16,
    },
}

/// A service in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceEntry<'a> {
    /// Address family.
    pub af: AddressFamily,
    /// The key.
    pub key: ServiceKey,
    /// Name of the scheduler; the kernel sends `none` for a service without one.
    pub sched_name: &'a [u8],
    /// Name of the persistence engine, if there is one.
    pub pe_name: Option<&'a [u8]>,
    /// Flags; their mask is sent as all ones.
    pub flags: u32,
    /// Persistence timeout, seconds.
    pub timeout: u32,
    /// Persistence granularity: see [`ServiceAttr::Netmask`](crate::ServiceAttr::Netmask).
    pub netmask: u32,
    /// Statistics; sent in both forms.
    pub stats: Stats,
}

impl ServiceEntry<'_> {
    /// Writes the nest, `IPVS_CMD_ATTR_SERVICE`.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.nest(IPVS_CMD_ATTR_SERVICE, |w| {
            w.put_u16(IPVS_SVC_ATTR_AF, self.af.into());
            match self.key {
                ServiceKey::Fwmark(fwmark) => w.put_u32(IPVS_SVC_ATTR_FWMARK, fwmark),
                ServiceKey::Address {
                    protocol,
                    addr,
                    port,
                } => {
                    w.put_u16(IPVS_SVC_ATTR_PROTOCOL, protocol);
                    w.put(IPVS_SVC_ATTR_ADDR, &addr.octets());
                    w.put_be16(IPVS_SVC_ATTR_PORT, port);
                }
            }
            w.put_string(IPVS_SVC_ATTR_SCHED_NAME, self.sched_name);
            if let Some(pe_name) = self.pe_name {
                w.put_string(IPVS_SVC_ATTR_PE_NAME, pe_name);
            }
            let flags = ServiceFlags {
                flags: self.flags,
                mask: u32::MAX,
            };
            w.put(IPVS_SVC_ATTR_FLAGS, &flags.to_wire());
            w.put_u32(IPVS_SVC_ATTR_TIMEOUT, self.timeout);
            w.put_u32(IPVS_SVC_ATTR_NETMASK, self.netmask);
            write_stats(w, IPVS_SVC_ATTR_STATS, IPVS_SVC_ATTR_STATS64, &self.stats);
        });
    }
}

/// A destination in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationEntry {
    /// Real server's address.
    pub addr: Address,
    /// Real server's port, host order.
    pub port: u16,
    /// Forwarding method: the low bits only.
    pub fwd_method: u32,
    /// Weight.
    pub weight: u32,
    /// Type of tunnel.
    pub tun_type: u8,
    /// Port of the tunnel, host order.
    pub tun_port: u16,
    /// Flags of the tunnel.
    pub tun_flags: u16,
    /// Upper connection threshold.
    pub u_thresh: u32,
    /// Lower connection threshold.
    pub l_thresh: u32,
    /// Active connections.
    pub active_conns: u32,
    /// Inactive connections.
    pub inact_conns: u32,
    /// Persistence templates.
    pub persist_conns: u32,
    /// Address family of the address.
    pub addr_family: AddressFamily,
    /// Statistics; sent in both forms.
    pub stats: Stats,
}

impl DestinationEntry {
    /// Writes the nest, `IPVS_CMD_ATTR_DEST`.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.nest(IPVS_CMD_ATTR_DEST, |w| {
            w.put(IPVS_DEST_ATTR_ADDR, &self.addr.octets());
            w.put_be16(IPVS_DEST_ATTR_PORT, self.port);
            w.put_u32(IPVS_DEST_ATTR_FWD_METHOD, self.fwd_method);
            w.put_u32(IPVS_DEST_ATTR_WEIGHT, self.weight);
            w.put_u8(IPVS_DEST_ATTR_TUN_TYPE, self.tun_type);
            w.put_be16(IPVS_DEST_ATTR_TUN_PORT, self.tun_port);
            w.put_u16(IPVS_DEST_ATTR_TUN_FLAGS, self.tun_flags);
            w.put_u32(IPVS_DEST_ATTR_U_THRESH, self.u_thresh);
            w.put_u32(IPVS_DEST_ATTR_L_THRESH, self.l_thresh);
            w.put_u32(IPVS_DEST_ATTR_ACTIVE_CONNS, self.active_conns);
            w.put_u32(IPVS_DEST_ATTR_INACT_CONNS, self.inact_conns);
            w.put_u32(IPVS_DEST_ATTR_PERSIST_CONNS, self.persist_conns);
            w.put_u16(IPVS_DEST_ATTR_ADDR_FAMILY, self.addr_family.into());
            write_stats(w, IPVS_DEST_ATTR_STATS, IPVS_DEST_ATTR_STATS64, &self.stats);
        });
    }
}

/// A sync daemon in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaemonEntry<'a> {
    /// Master or backup.
    pub state: SyncState,
    /// Multicast interface.
    pub mcast_ifn: &'a [u8],
    /// Sync id.
    pub sync_id: u32,
    /// Longest UDP payload in bytes.
    pub sync_maxlen: u16,
    /// Multicast port, host order.
    pub mcast_port: u16,
    /// Multicast TTL.
    pub mcast_ttl: u8,
    /// Multicast group. The kernel always sends one; the default is 224.0.0.81.
    pub mcast_group: Option<IpAddr>,
}

impl DaemonEntry<'_> {
    /// Writes the nest, `IPVS_CMD_ATTR_DAEMON`.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.nest(IPVS_CMD_ATTR_DAEMON, |w| {
            w.put_u32(IPVS_DAEMON_ATTR_STATE, self.state.into());
            w.put_string(IPVS_DAEMON_ATTR_MCAST_IFN, self.mcast_ifn);
            w.put_u32(IPVS_DAEMON_ATTR_SYNC_ID, self.sync_id);
            w.put_u16(IPVS_DAEMON_ATTR_SYNC_MAXLEN, self.sync_maxlen);
            w.put_u16(IPVS_DAEMON_ATTR_MCAST_PORT, self.mcast_port);
            w.put_u8(IPVS_DAEMON_ATTR_MCAST_TTL, self.mcast_ttl);
            match self.mcast_group {
                Some(IpAddr::V4(group)) => w.put(IPVS_DAEMON_ATTR_MCAST_GROUP, &group.octets()),
                Some(IpAddr::V6(group)) => w.put(IPVS_DAEMON_ATTR_MCAST_GROUP6, &group.octets()),
                None => {}
            }
        });
    }
}

/// Writes both forms of the statistics: `ip_vs_genl_fill_stats`, then `ip_vs_genl_fill_stats64`.
fn write_stats(writer: &mut Writer<'_>, kind: u16, kind64: u16, stats: &Stats) {
    let numbers = [
        (IPVS_STATS_ATTR_CONNS, stats.conns),
        (IPVS_STATS_ATTR_INPKTS, stats.inpkts),
        (IPVS_STATS_ATTR_OUTPKTS, stats.outpkts),
        (IPVS_STATS_ATTR_INBYTES, stats.inbytes),
        (IPVS_STATS_ATTR_OUTBYTES, stats.outbytes),
        (IPVS_STATS_ATTR_CPS, stats.cps),
        (IPVS_STATS_ATTR_INPPS, stats.inpps),
        (IPVS_STATS_ATTR_OUTPPS, stats.outpps),
        (IPVS_STATS_ATTR_INBPS, stats.inbps),
        (IPVS_STATS_ATTR_OUTBPS, stats.outbps),
    ];
    writer.nest(kind, |w| {
        for (kind, number) in numbers {
            match kind {
                IPVS_STATS_ATTR_INBYTES | IPVS_STATS_ATTR_OUTBYTES => w.put_u64(kind, number),
                _ => w.put_u32(kind, Counter::low(number)),
            }
        }
    });
    writer.nest(kind64, |w| {
        for (kind, number) in numbers {
            w.put_u64(kind, number);
        }
    });
}
