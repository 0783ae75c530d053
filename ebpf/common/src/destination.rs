//! A destination's record: a real server of one service.

use crate::AddressWords;

/// What a client configured for a destination besides its address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestinationConfig {
    /// The weight, never negative.
    pub weight: i32,
    /// With this many connections it takes no more; zero for no limit.
    pub upper_threshold: u32,
    /// Below this many it takes some again; zero for three quarters of the upper threshold.
    pub lower_threshold: u32,
    /// The tunnel's port, host order.
    pub tunnel_port: u16,
    /// The tunnel's flags (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
    pub tunnel_flags: u16,
    /// The tunnel's type (`IP_VS_CONN_F_TUNNEL_TYPE_*`).
    pub tunnel_kind: u8,
    /// The forwarding method (`IP_VS_CONN_F_FWD_MASK`).
    pub forwarding: u8,
    /// Zero.
    pub zero: u16,
}

/// Below this many connections an overloaded destination takes some again (`l_threshold_val`).
#[must_use]
#[inline(always)]
pub const fn recovery_threshold(upper: u32, lower: u32) -> u32 {
    if lower == 0 {
        upper - (upper >> 2)
    } else {
        lower
    }
}

/// A destination.
///
/// What programs read when they choose it comes first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Destination {
    /// Only in the layout that tests carry tables over to, and back from.
    #[cfg(feature = "other-layout")]
    pub moved: [u64; 3],
    /// The server's address. Never changes while the record is live.
    pub address: AddressWords,
    /// The server's port, network order; zero means the port that was asked for.
    pub port: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// Whether it takes no more connections at present. Written by the programs, and by the daemon
    /// when the thresholds change.
    pub overloaded: u8,
    /// The index of the service that it belongs to.
    pub service: u32,
    /// See [`DestinationConfig`], as the fields of the same names below. Written by the daemon,
    /// which records what it is about to write before ([`crate::Edit`]).
    pub upper_threshold: u32,
    /// As above.
    pub lower_threshold: u32,
    /// As above.
    pub weight: i32,
    /// When it joined the server set of `lblcr`: the service's cursor then, from one on. Zero if it
    /// is not in the set. Written by the programs, and by the daemon when the service starts over.
    pub joined: u32,
    /// Connections that were sent here. Counted by the programs, as all up to `outbytes`. The
    /// daemon zeroes this and the counters from `inpkts` on when a client asks for it.
    pub conns: u64,
    /// Connections that are being made or are established.
    pub active: u64,
    /// These, and those that are ending.
    pub total: u64,
    /// Packets that ended connections sent.
    pub inpkts: u64,
    /// Packets that ended connections received.
    pub outpkts: u64,
    /// Bytes of data that ended connections sent and the server acknowledged.
    pub inbytes: u64,
    /// Bytes of data that ended connections received.
    pub outbytes: u64,
    /// The destination's number in the order in which destinations were added.
    pub born: u64,
    /// See [`DestinationConfig`].
    pub tunnel_port: u16,
    /// As above.
    pub tunnel_flags: u16,
    /// As above.
    pub tunnel_kind: u8,
    /// As above.
    pub forwarding: u8,
    /// `STATE_FREE` or `STATE_LIVE`. Written by the daemon.
    pub state: u8,
    /// Zero.
    pub zero: u8,
    /// Which use of the record this is: another one for each destination that gets the record.
    /// Whatever refers to the record by its index stores this number with it. Written by the
    /// daemon.
    pub use_number: u32,
    /// Zero.
    pub zero_word: u32,
}
