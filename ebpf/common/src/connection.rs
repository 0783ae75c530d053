//! The connections and flows of sockets: the virtual address that they requested and the server
//! that they got.

use crate::{AddressWords, TcpCounters};

/// What a socket requested and what it got: stored as long as the connection exists, so that
/// `getpeername(2)` can return the address that the process connected to, and the connection is
/// counted.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnTuple {
    /// The virtual address, in the form the socket used (IPv4-mapped stays mapped).
    pub vaddr: AddressWords,
    /// The server's address, in the form the socket sees it.
    pub daddr: AddressWords,
    /// The virtual port, network order.
    pub vport: u16,
    /// The server's port, network order.
    pub dport: u16,
    /// The index of the destination's record.
    pub destination: u32,
    /// The index of the service's record.
    pub service: u32,
    /// How the connection is counted: [`UNCOUNTED`], [`COUNTED_ACTIVE`], [`COUNTED_INACTIVE`].
    pub counted: u32,
    /// The client as in the key of the template that controls the connection; zero if the service
    /// is not persistent.
    pub client: AddressWords,
    /// The use of the destination's record that is meant ([`crate::Destination::use_number`]).
    pub destination_use: u32,
    /// The use of the service's record that is meant ([`crate::Service::use_number`]).
    pub service_use: u32,
}

/// A connection that goes to a service, be it one of TCP or of UDP: an entry of `CONNECTIONS`, or
/// of `OVERFLOW` where that has no room for it.
///
/// Besides the programs of its own socket, only the program that walks open connections accesses
/// it. Meanwhile that program holds [`READ_LOCKED`] in `tuple.counted`. If the connection ends
/// while it does, the walker frees the entry ([`FREE_WHEN_READ`]), so no other connection gets the
/// entry while it is read.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// The requested address and the destination.
    pub tuple: ConnTuple,
    /// How much of its traffic has been added to the counters of its destination and its service,
    /// if it is one of TCP.
    pub claimed: TcpCounters,
    /// The kernel's address of the socket.
    pub socket: u64,
    /// The socket's cookie; zero if the entry is free.
    pub cookie: u64,
    /// How many connections probe this entry first, but are in another entry of `CONNECTIONS`,
    /// because this one was in use.
    pub displaced: u32,
    /// How many connections probe this entry first, but are in `OVERFLOW`.
    pub overflowed: u32,
}

/// A connection for which `CONNECTIONS` had no room: a value of `OVERFLOW`, whose key is the
/// socket's cookie.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverflowConnection {
    /// The entry. `displaced` and `overflowed` are zero.
    pub connection: Connection,
    /// The owner whose share of the map it uses ([`crate::owner_of`]).
    pub owner: u32,
    /// Zero.
    pub zero: u32,
}

/// How many entries there are in one value of `CONNECTIONS`; a power of two.
pub const CONNECTIONS_PER_GROUP: u32 = 64;

/// A value of `CONNECTIONS`: entries that are walked together.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ConnectionGroup {
    /// The entries.
    pub connections: [Connection; CONNECTIONS_PER_GROUP as usize],
}

/// How many entries are probed for a connection; a power of two.
pub const MAX_PROBES: u32 = 16;

/// The index of the entry that the socket with this cookie probes as its `nth` (from zero). There
/// are `mask + 1` entries, a power of two.
///
/// Cookies are consecutive, so sockets that are created one after another have neighbouring
/// entries. The indexes that one socket probes are as far apart as possible.
#[must_use]
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the upper half makes no difference"
)]
pub const fn connection_index(cookie: u64, nth: u32, mask: u32) -> u32 {
    let apart = mask / MAX_PROBES + 1;
    (cookie as u32).wrapping_add(nth * apart) & mask
}

/// The connection is not counted.
pub const UNCOUNTED: u32 = 0;
/// It is counted as active: being made or established.
pub const COUNTED_ACTIVE: u32 = 1;
/// It is counted as inactive: closing, or one of datagrams.
pub const COUNTED_INACTIVE: u32 = 2;
/// Of `counted` in a [`Connection`]: the bits that say how it is counted. The others are flags.
pub const COUNT_MASK: u32 = 3;
/// A walker reads the entry, and frees it afterwards if [`FREE_WHEN_READ`] is set then.
pub const READ_LOCKED: u32 = 4;
/// The connection has closed: walkers add no more of its traffic to counters.
pub const CLOSED: u32 = 8;
/// The connection has ended and is counted no more: its entry is free as soon as no walker reads
/// it.
pub const FREE_WHEN_READ: u32 = 16;

/// The key of a flow in the map `FLOWS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowKey {
    /// The socket's cookie.
    pub cookie: u64,
    /// The flow's index among the socket's, below [`FLOWS`].
    pub index: u64,
}

/// Datagrams between a socket that is not connected and one server. The addresses are never
/// IPv4-mapped here.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// The requested address and the destination.
    pub tuple: ConnTuple,
    /// When the last one was sent, by the monotonic clock in nanoseconds.
    pub last: u64,
    /// In a socket's first flow: how many flows the socket has ever started; the next one gets the
    /// index `started % FLOWS`.
    pub started: u64,
    /// In a socket's first flow: when the socket last sent a datagram to a service, by the same
    /// clock.
    pub used: u64,
    /// The kernel's address of the socket.
    pub socket: u64,
    /// The socket's cookie, once more; zero until the record is initialised.
    pub cookie: u64,
    /// The owner whose share of the map it uses ([`crate::owner_of`]).
    pub owner: u32,
    /// In a socket's first flow: [`REMOVING`] while the socket's flows are removed, because they
    /// have timed out. Else zero.
    pub removing: u32,
}

/// The flows of a socket are being removed.
pub const REMOVING: u32 = 1;

/// How many flows a socket can have; a power of two. A further one replaces the oldest: answers of
/// its server then come from the server's own address.
pub const FLOWS: u32 = 16;
