//! Counters and rates of a service or a destination (`struct ip_vs_kstats`).
//!
//! Who counts is the data path, which also begins anew when a client asks for that; here they are
//! only read.

/// What has passed, and how fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections.
    pub conns: u64,
    /// Packets from clients.
    pub inpkts: u64,
    /// Packets to clients.
    pub outpkts: u64,
    /// Bytes from clients.
    pub inbytes: u64,
    /// Bytes to clients.
    pub outbytes: u64,
    /// Connections a second.
    pub cps: u64,
    /// Packets a second from clients.
    pub inpps: u64,
    /// Packets a second to clients.
    pub outpps: u64,
    /// Bytes a second from clients.
    pub inbps: u64,
    /// Bytes a second to clients.
    pub outbps: u64,
}

impl Stats {
    /// These rates, and nothing counted yet (`ip_vs_zero_stats`; the kernel keeps what was counted
    /// and subtracts it).
    #[must_use]
    pub fn from_nothing(self) -> Self {
        Self {
            conns: 0,
            inpkts: 0,
            outpkts: 0,
            inbytes: 0,
            outbytes: 0,
            ..self
        }
    }
}

/// What the data path knows of a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestinationReading {
    /// Established connections.
    pub active: u32,
    /// Other connections that are still remembered.
    pub inactive: u32,
    /// Clients that persistence holds to this destination.
    pub persistent: u32,
    /// Counters and rates.
    pub stats: Stats,
}

impl DestinationReading {
    /// Whether anything still holds on to the destination (`dest->refcnt > 1`).
    pub fn in_use(&self) -> bool {
        self.active != 0 || self.inactive != 0 || self.persistent != 0
    }
}
