//! References to destinations.

use sockvs_ebpf_common::{Destination, STATE_LIVE, recovery_threshold};

use super::access::{atomic, get, set, traffic};
use crate::{address::Endpoint, atomic::Atomic64};

/// A destination's record.
#[derive(Clone, Copy)]
pub(crate) struct DestinationRef(*mut Destination);

impl DestinationRef {
    /// # Safety
    ///
    /// A look-up returned `record`.
    #[inline(always)]
    pub(crate) unsafe fn new(record: *mut Destination) -> Self {
        Self(record)
    }

    /// The server's address and port; port zero stands for the port of the request. Neither changes
    /// while the service's generation stays the same.
    #[inline(always)]
    pub(crate) fn endpoint(self) -> Endpoint {
        let address = get!(self.address);
        let port = get!(self.port);
        Endpoint { address, port }
    }

    /// `AF_INET` or `AF_INET6`.
    #[inline(always)]
    pub(crate) fn family(self) -> u8 {
        get!(self.family)
    }

    /// Which use of the record this is.
    #[inline(always)]
    pub(crate) fn use_number(self) -> u32 {
        get!(self.use_number)
    }

    /// Whether the destination is in the table (`IP_VS_DEST_F_AVAILABLE`).
    #[inline(always)]
    pub(crate) fn is_available(self) -> bool {
        get!(self.state) == STATE_LIVE
    }

    /// The weight.
    #[inline(always)]
    pub(crate) fn weight(self) -> i32 {
        get!(self.weight)
    }

    /// Whether it has as many connections as it may have (`IP_VS_DEST_F_OVERLOAD`).
    #[inline(always)]
    pub(crate) fn is_overloaded(self) -> bool {
        get!(self.overloaded) != 0
    }

    /// Sets or clears that.
    #[inline(always)]
    pub(crate) fn set_overloaded(self, overloaded: u8) {
        set!(self.overloaded, overloaded);
    }

    /// With this many connections it is overloaded; zero for no limit.
    #[inline(always)]
    pub(crate) fn upper_threshold(self) -> u32 {
        get!(self.upper_threshold)
    }

    /// Below this many connections it is overloaded no more.
    #[inline(always)]
    pub(crate) fn recovery_threshold(self) -> u32 {
        let upper = get!(self.upper_threshold);
        recovery_threshold(upper, get!(self.lower_threshold))
    }

    /// When it joined the server set of `lblcr`; zero if it has not.
    #[inline(always)]
    pub(crate) fn joined(self) -> u32 {
        get!(self.joined)
    }

    /// Lets it join that set.
    #[inline(always)]
    pub(crate) fn set_joined(self, joined: u32) {
        set!(self.joined, joined);
    }

    /// Connections that were scheduled to it.
    #[inline(always)]
    pub(crate) fn conns(self) -> Atomic64 {
        atomic!(Atomic64, self.conns)
    }

    /// Active connections: those that are being made or are established.
    #[inline(always)]
    pub(crate) fn active(self) -> Atomic64 {
        atomic!(Atomic64, self.active)
    }

    /// Active and inactive connections.
    #[inline(always)]
    pub(crate) fn total(self) -> Atomic64 {
        atomic!(Atomic64, self.total)
    }

    /// The kernel's measure of how busy a destination is (`ip_vs_dest_conn_overhead`).
    #[inline(always)]
    pub(crate) fn overhead(self) -> u64 {
        (self.active().load() << 8) + self.total().load()
    }

    /// Packets and bytes, in the order of `TcpCounters`.
    #[inline(always)]
    pub(crate) fn traffic(self) -> [Atomic64; 4] {
        traffic!(self)
    }
}
