//! A sync daemon's record. Not read by the programs; stored for the next daemon of sockvs.

use crate::AddressWords;

/// Which sync daemon: the key of the map `SYNC_DAEMONS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncDaemonKey {
    /// The network namespace's cookie.
    pub netns: u64,
    /// Master or backup (`IP_VS_STATE_*`).
    pub state: u32,
    /// Zero.
    pub zero: u32,
}

/// What a client configured for a sync daemon that runs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncDaemon {
    /// The multicast group.
    pub group: AddressWords,
    /// The multicast interface's name, padded with zeros.
    pub interface: [u8; 16],
    /// The sync id.
    pub sync_id: u32,
    /// The largest message, in bytes.
    pub max_length: u16,
    /// The UDP port, host order.
    pub port: u16,
    /// The time to live.
    pub ttl: u8,
    /// The group's family: `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// Zero.
    pub zero: u16,
}
