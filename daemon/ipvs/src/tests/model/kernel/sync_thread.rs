//! What the kernel keeps of a sync thread.

use std::net::{IpAddr, Ipv4Addr};

use crate::SyncDaemonSpec;

/// `struct ipvs_sync_daemon_cfg`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct SyncThread {
    pub(in super::super) interface: Vec<u8>,
    pub(in super::super) id: u32,
    pub(in super::super) longest: u16,
    pub(in super::super) group: IpAddr,
    pub(in super::super) port: u16,
    pub(in super::super) ttl: u8,
}

impl SyncThread {
    /// The values that `start_sync_thread` fills in, for an interface with this MTU.
    pub(in super::super) fn new(user: &SyncDaemonSpec, mtu: u32) -> Self {
        let group = user.group.unwrap_or(Ipv4Addr::new(224, 0, 0, 81).into());
        let headers = if group.is_ipv6() { 40 + 8 } else { 20 + 8 };
        let is_backup = user.state == 2;
        let mtu = if is_backup {
            mtu.clamp(1500, 65535)
        } else {
            1500
        };
        let least = if is_backup { 1024 } else { 1 };
        let longest = match user.max_length {
            0 => mtu - headers,
            given => u32::from(given).clamp(least, 65535 - headers),
        };
        Self {
            interface: user.interface.clone(),
            id: user.sync_id,
            longest: u16::try_from(longest).unwrap(),
            group,
            port: if user.port == 0 { 8848 } else { user.port },
            ttl: if user.ttl == 0 { 1 } else { user.ttl },
        }
    }
}
