//! Counters and rates of a service or a destination (`struct ip_vs_kstats`).
//!
//! The data path increments and zeroes them; this type only carries their values.

/// Counters and rates.
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
    /// Connections per second.
    pub cps: u64,
    /// Packets per second from clients.
    pub inpps: u64,
    /// Packets per second to clients.
    pub outpps: u64,
    /// Bytes per second from clients.
    pub inbps: u64,
    /// Bytes per second to clients.
    pub outbps: u64,
}

impl Stats {
    /// These rates, with all counters zero (`ip_vs_zero_stats`; the kernel instead keeps the
    /// counters and subtracts a base).
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

/// The data path's state of a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestinationReading {
    /// Established connections.
    pub active: u32,
    /// Other connections that have not expired.
    pub inactive: u32,
    /// Clients with a persistence template for this destination.
    pub persistent: u32,
    /// Counters and rates.
    pub stats: Stats,
}

impl DestinationReading {
    /// Whether the destination is still in use (`dest->refcnt > 1`).
    pub fn in_use(&self) -> bool {
        self.active != 0 || self.inactive != 0 || self.persistent != 0
    }
}
