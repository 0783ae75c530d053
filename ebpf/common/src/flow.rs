//! What sockets remember of their way: the address that they asked for and the server that they got.

use crate::{AddressWords, Carried};

/// What a socket asked for and what it got: known as long as the connection exists, so that
/// `getpeername(2)` can answer with the address that the program connected to, and the connection is
/// counted.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The virtual address, in the form the socket used (IPv4-mapped stays mapped).
    pub virtual_address: AddressWords,
    /// The server's address, in the form the socket sees it.
    pub server_address: AddressWords,
    /// The virtual port, network order.
    pub virtual_port: u16,
    /// The server's port, network order.
    pub server_port: u16,
    /// The index of the destination's record.
    pub destination: u32,
    /// The index of the service's record.
    pub service: u32,
    /// As what the connection is counted: [`UNCOUNTED`], [`COUNTED_ACTIVE`], [`COUNTED_INACTIVE`].
    pub counted: u32,
    /// The client as in the key of the template that gives it this server; zero if the service is
    /// not persistent.
    pub client: AddressWords,
    /// The use of the destination's record that is meant ([`crate::Destination::use_number`]).
    pub destination_use: u32,
    /// The use of the service's record that is meant ([`crate::Service::use_number`]).
    pub service_use: u32,
}

/// A connection that goes to a service, be it one of TCP or of UDP: an entry of `CONNECTIONS`, or of
/// `OVERFLOW` where that has no room for it.
///
/// Only the program that looks at open connections touches one that is not its own socket's. While it
/// does, [`BEING_READ`] is set in `origin.counted`, and it is this program that frees the entry if the
/// connection ends meanwhile ([`OVER`]): so no other connection ever has its place.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// Whereto it was made and where it goes.
    pub origin: Origin,
    /// What of it the counters of its destination and its service have already, if it is one of TCP.
    pub settled: Carried,
    /// Where the kernel has the socket.
    pub socket: u64,
    /// The socket's cookie; zero if the entry is free.
    pub cookie: u64,
    /// How many connections have their first place here, but are at another place of `CONNECTIONS`,
    /// because this one was taken.
    pub displaced: u32,
    /// How many connections have their first place here, but are in `OVERFLOW`.
    pub overflowed: u32,
}

/// A connection for which `CONNECTIONS` had no room: a value of `OVERFLOW`, whose key is the
/// socket's cookie.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverflowConnection {
    /// The entry. Nothing is at another place because of it.
    pub connection: Connection,
    /// Whose share of the map it takes ([`crate::owner_of`]).
    pub owner: u32,
    /// Zero.
    pub zero: u32,
}

/// How many entries there are in one value of `CONNECTIONS`; a power of two.
pub const CONNECTIONS_PER_GROUP: u32 = 64;

/// A value of `CONNECTIONS`: entries that are looked at together when open connections are.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ConnectionGroup {
    /// The entries.
    pub connections: [Connection; CONNECTIONS_PER_GROUP as usize],
}

/// How many places there are where a connection's entry can be; a power of two.
pub const PLACES: u32 = 16;

/// Where the entry of the socket with this cookie is, if it is at the `nth` of its places (from zero).
/// There are `mask + 1` entries, a power of two.
///
/// Cookies are given out one after another, so sockets that are made one after another have their
/// entries side by side. The places of a socket are as far apart as can be.
#[must_use]
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the upper half makes no difference"
)]
pub const fn connection_index(cookie: u64, nth: u32, mask: u32) -> u32 {
    let apart = mask / PLACES + 1;
    (cookie as u32).wrapping_add(nth * apart) & mask
}

/// A connection that no counter has.
pub const UNCOUNTED: u32 = 0;
/// A connection that is being made or is established.
pub const COUNTED_ACTIVE: u32 = 1;
/// A connection that is ending; or one of datagrams, which are neither.
pub const COUNTED_INACTIVE: u32 = 2;
/// Of `counted` in a [`Connection`]: the part that says as what it is counted. The rest are flags.
pub const COUNTED: u32 = 3;
/// Somebody is looking at the connection, and will free its entry if it is [`OVER`] then.
pub const BEING_READ: u32 = 4;
/// The connection has ended; nothing more of it is added to counters but what its end adds.
pub const ENDED: u32 = 8;
/// Its end has been counted.
pub const OVER: u32 = 16;

/// Which flow it is, in the map `FLOWS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowKey {
    /// The socket's cookie.
    pub cookie: u64,
    /// Its place among the socket's flows, below [`FLOWS`].
    pub place: u64,
}

/// Datagrams between a socket that is not connected and one server. The addresses are never
/// IPv4-mapped here.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Whereto, and where they really go.
    pub origin: Origin,
    /// When the last one was sent, by the monotonic clock in nanoseconds.
    pub last: u64,
    /// In the first place: how many flows the socket has ever begun; the next one goes to place
    /// `begun % FLOWS`.
    pub begun: u64,
    /// In the first place: when the socket last sent a datagram to a service, by the same clock.
    pub used: u64,
    /// Where the kernel has the socket.
    pub socket: u64,
    /// The socket's cookie, once more; zero until the record is filled in.
    pub cookie: u64,
    /// Whose share of the map it takes ([`crate::owner_of`]).
    pub owner: u32,
    /// In the first place: [`REMOVING`] while the socket's flows are removed, because they are not
    /// used any more. Else zero.
    pub removing: u32,
}

/// The flows of a socket are being removed.
pub const REMOVING: u32 = 1;

/// How many flows a socket remembers at once; a power of two. When there are more, the oldest are
/// forgotten: answers of those servers then come from the servers' own addresses.
pub const FLOWS: u32 = 16;
