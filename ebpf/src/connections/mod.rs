//! The connections to services, by the cookies of their sockets. `entries` finds and allocates
//! their entries.
//!
//! `connect(2)` inserts an entry. One of TCP is freed when the connection has ended (`states`), or
//! with its socket if it was never established; one of UDP with its socket (`release`), or when the
//! socket connects to something else. Entries whose end no program sees, such as those of the
//! kernel's own sockets, are found by `live`. Only the programs of its socket change an entry,
//! under the socket's lock, except for what `live` does; how the two synchronise is documented at
//! `Connection`.

mod entries;

use sockvs_ebpf_common::{
    CLOSED, COUNT_MASK, COUNTED_INACTIVE, ConnTuple, Connection, FREE_WHEN_READ, READ_LOCKED,
    UNCOUNTED,
};

use crate::{
    accounting, address::Endpoint, maps, records::ConnectionRef, sock_addr::SockAddr, socket,
};

pub(crate) use entries::{CLAIMED, at, free, free_gone, lookup, overflow};

/// Inserts a TCP connection that is about to be made. If there is no room for another one, the
/// connection works, but is not counted, and `getpeername` returns the server's address.
#[inline(always)]
pub(crate) fn insert_tcp(call: SockAddr, tuple: &ConnTuple) {
    let cookie = socket::cookie(&call);
    let entry = match lookup(cookie) {
        // An earlier attempt that failed.
        Some(entry) if entry.counted().load() == UNCOUNTED => Some(entry),
        Some(entry) => alloc_after(entry, cookie),
        None => entries::alloc(cookie),
    };
    if let Some(entry) = entry {
        init_entry(call, entry, tuple);
    }
}

/// Allocates an entry for a socket that still has this one: its connection has just ended, and a
/// walker is about to free the entry.
#[inline(always)]
fn alloc_after(entry: ConnectionRef, cookie: u64) -> Option<ConnectionRef> {
    if sockvs_await_freed(entry.as_ptr(), cookie) == 0 {
        return None;
    }
    entries::alloc(cookie)
}

/// How often an entry is read until it is free. To walk past a connection takes a fraction of that.
const SPINS: u32 = 4096;

/// Waits until an entry is this socket's no more; zero if that takes too long. The walker runs on
/// another processor, and is not preempted there. A global function, which the verifier checks
/// once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_await_freed(entry: *mut Connection, cookie: u64) -> u32 {
    // SAFETY: the caller passes what `as_ptr` returned.
    let Some(entry) = (unsafe { ConnectionRef::from_argument(entry) }) else {
        return 0;
    };
    for _ in 0..SPINS {
        if entry.cookie().load() != cookie {
            return 1;
        }
    }
    0
}

/// A UDP socket is connected to a service: inserts the connection and counts it.
#[inline(always)]
pub(crate) fn udp_connected(call: SockAddr, tuple: &ConnTuple) {
    let cookie = socket::cookie(&call);
    udp_disconnected(cookie);
    let entry = match lookup(cookie) {
        Some(entry) => alloc_after(entry, cookie),
        None => entries::alloc(cookie),
    };
    let Some(entry) = entry else {
        return;
    };
    init_entry(call, entry, tuple);
    maps::add_server(&tuple.daddr);
    if accounting::bind(entry.tuple().as_ptr(), false) {
        entry.counted().add(COUNTED_INACTIVE);
    }
}

/// A UDP socket is connected no more: ends its connection, if that was one to a service.
#[inline(always)]
pub(crate) fn udp_disconnected(cookie: u64) {
    let Some(entry) = lookup(cookie) else {
        return;
    };
    let counted = entry.counted().load();
    if counted & FREE_WHEN_READ != 0 {
        // It has ended already; a walker still reads the entry, and will free it.
        return;
    }
    if counted & COUNT_MASK != UNCOUNTED {
        accounting::unbind(entry.tuple().as_ref());
    }
    if entry.counted().add(CLOSED | FREE_WHEN_READ) & READ_LOCKED == 0 {
        free(cookie);
    }
}

/// Initialises an allocated entry. `tuple` is not counted yet.
#[inline(always)]
fn init_entry(call: SockAddr, entry: ConnectionRef, tuple: &ConnTuple) {
    entry.tuple().write(tuple);
    let [inpkts, outpkts, inbytes, outbytes] = entry.claimed_words();
    inpkts.store(0);
    outpkts.store(0);
    inbytes.store(0);
    outbytes.store(0);
    // Last: a walker ignores an entry that has no socket yet.
    entry.set_socket(call.sock_address());
}

/// Frees the entry if its connection was never established.
#[inline(always)]
pub(crate) fn remove_unestablished(cookie: u64) {
    if let Some(entry) = lookup(cookie)
        && entry.counted().load() & COUNT_MASK == UNCOUNTED
    {
        free(cookie);
    }
}

/// The virtual address that the socket with this cookie is connected to, if `peer` is the server.
/// (The entry may be of an attempt that failed before the socket connected to something else.)
#[inline(always)]
pub(crate) fn virtual_endpoint(cookie: u64, peer: &Endpoint) -> Option<Endpoint> {
    let entry = lookup(cookie)?;
    if entry.counted().load() & FREE_WHEN_READ != 0 || !entry.tuple().server().equals(peer) {
        return None;
    }
    Some(entry.tuple().virtual_endpoint())
}
