//! What is known of the connections that go to services, by the cookies of their sockets. Where
//! that is kept, `entries` says.
//!
//! An entry comes with `connect(2)`. One of TCP is freed when the connection has ended (`states`),
//! or with its socket if it never began; one of UDP with its socket (`release`), or when the socket
//! is connected to something else. What no program is told the end of, such as a socket of the
//! kernel's own, is found by `live`. An entry is changed under its socket's lock only, but for what
//! `live` does to it; how the two keep out of each other's way is told at [`Connection`].

mod entries;

use core::{
    ffi::c_void,
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::{EbpfContext, helpers::bpf_get_socket_cookie, programs::SockAddrContext};
use sockvs_ebpf_common::{
    CLOSED, COUNT_MASK, COUNTED_INACTIVE, ConnTuple, Connection, FREE_WHEN_READ, READ_LOCKED,
    UNCOUNTED,
};

use crate::{
    accounting,
    address::{self, Endpoint},
    counter, origin, table, words,
};

pub(crate) use entries::{at, free, of_socket, overflow};

/// The cookie of the socket that a program runs for.
#[inline(always)]
pub(crate) fn cookie(ctx: &impl EbpfContext) -> u64 {
    let socket: *mut c_void = ctx.as_ptr();
    // SAFETY: the helper takes the contexts of all program types that call this.
    unsafe { bpf_get_socket_cookie(socket) }
}

/// Remembers a connection of TCP that is about to be made. If there is no room for another one, the
/// connection works, but is not counted, and `getpeername` tells the server.
#[inline(always)]
pub(crate) fn remember(ctx: &SockAddrContext, origin: &ConnTuple) {
    let cookie = cookie(ctx);
    let entry = match of_socket(cookie) {
        // An earlier attempt that failed.
        Some(entry) if counted(entry) == UNCOUNTED => Some(entry),
        Some(entry) => alloc_after(entry, cookie),
        None => entries::alloc(cookie),
    };
    if let Some(entry) = entry {
        fill_in(ctx, entry, origin);
    }
}

/// As `alloc`, for a socket that has this entry still: its connection has ended just now, and what
/// looks at the entry is about to free it.
#[inline(always)]
fn alloc_after(entry: *mut Connection, cookie: u64) -> Option<*mut Connection> {
    if sockvs_await_freed(entry, cookie) == 0 {
        return None;
    }
    entries::alloc(cookie)
}

/// How often it is looked whether an entry is free. To look at a connection takes a fraction of
/// that.
const LOOKS: u32 = 4096;

/// Waits until an entry is not this socket's any more; zero if that takes too long. What looks at
/// it runs on another processor, and is not interrupted by other threads there. A function of its
/// own for the verifier's sake.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_await_freed(entry: *mut Connection, cookie: u64) -> u32 {
    if entry.is_null() {
        return 0;
    }
    for _ in 0..LOOKS {
        if owner(entry) != cookie {
            return 1;
        }
    }
    0
}

/// As `remember`, for a socket of UDP: it is connected from now on, and counted.
#[inline(always)]
pub(crate) fn begin_datagrams(ctx: &SockAddrContext, origin: &ConnTuple) {
    let cookie = cookie(ctx);
    end_datagrams(cookie);
    let entry = match of_socket(cookie) {
        Some(entry) => alloc_after(entry, cookie),
        None => entries::alloc(cookie),
    };
    let Some(entry) = entry else {
        return;
    };
    fill_in(ctx, entry, origin);
    table::note_server(&origin.daddr);
    if accounting::begin(origin_of(entry), false) {
        counter::add_half(word(entry), COUNTED_INACTIVE);
    }
}

/// Where a socket of UDP was connected to is over, if it was connected to a service.
#[inline(always)]
pub(crate) fn end_datagrams(cookie: u64) {
    let Some(connection) = of_socket(cookie) else {
        return;
    };
    let counted = counted(connection);
    if counted & FREE_WHEN_READ != 0 {
        // Somebody has been looking at it since, and will free it.
        return;
    }
    if counted & COUNT_MASK != UNCOUNTED {
        accounting::end(origin(connection));
    }
    if counter::add_half(word(connection), CLOSED | FREE_WHEN_READ) & READ_LOCKED == 0 {
        free(cookie);
    }
}

/// `origin` is not counted yet.
#[inline(always)]
fn fill_in(ctx: &SockAddrContext, entry: *mut Connection, origin: &ConnTuple) {
    // SAFETY: a part of an entry, which is this socket's.
    words::copy(unsafe { addr_of_mut!((*entry).tuple) }, origin);
    // SAFETY: as above.
    unsafe { addr_of_mut!((*entry).claimed.inpkts).write_volatile(0) };
    // SAFETY: as above.
    unsafe { addr_of_mut!((*entry).claimed.outpkts).write_volatile(0) };
    // SAFETY: as above.
    unsafe { addr_of_mut!((*entry).claimed.inbytes).write_volatile(0) };
    // SAFETY: as above.
    unsafe { addr_of_mut!((*entry).claimed.outbytes).write_volatile(0) };
    // Last: an entry that says where its socket is can be told from one whose socket is gone.
    let socket = address::socket(ctx) as u64;
    // SAFETY: as above.
    counter::exchange(unsafe { addr_of_mut!((*entry).socket) }, socket);
}

/// The cookie of the socket whose entry it is.
#[inline(always)]
pub(crate) fn owner(entry: *mut Connection) -> u64 {
    // SAFETY: a field of an entry, read whole.
    unsafe { entries::cookie_of(entry).read_volatile() }
}

/// Where the kernel has the socket; null before the entry is filled in.
#[inline(always)]
pub(crate) fn socket(entry: *mut Connection) -> *const u8 {
    // SAFETY: a field of an entry, read whole.
    unsafe { addr_of!((*entry).socket).read_volatile() as *const u8 }
}

/// Frees the entry if its connection never began.
#[inline(always)]
pub(crate) fn remove_unestablished(cookie: u64) {
    if let Some(connection) = of_socket(cookie)
        && counted(connection) & COUNT_MASK == UNCOUNTED
    {
        free(cookie);
    }
}

/// Whereto it was made and where it goes.
#[inline(always)]
pub(crate) fn origin<'a>(connection: *mut Connection) -> &'a ConnTuple {
    // SAFETY: entries stay where they are, and this one is its socket's until that one's programs,
    // or who looks at it, free it.
    unsafe { &(*connection).tuple }
}

/// The same, to be changed.
#[inline(always)]
pub(crate) fn origin_of(connection: *mut Connection) -> *mut ConnTuple {
    // SAFETY: a part of an entry.
    unsafe { addr_of_mut!((*connection).tuple) }
}

/// The word that tells as what the connection is counted.
#[inline(always)]
pub(crate) fn word(connection: *mut Connection) -> *mut u32 {
    // SAFETY: a field of an entry.
    unsafe { addr_of_mut!((*connection).tuple.counted) }
}

/// As what it is counted, and the flags beside it.
#[inline(always)]
pub(crate) fn counted(connection: *mut Connection) -> u32 {
    // SAFETY: a field of an entry; the word is read whole.
    unsafe { word(connection).read_volatile() }
}

/// The address that the socket with this cookie asked for, if `peer` is the server it got for it.
/// What is known may be of a connection that never began, before the socket was connected to
/// something else.
#[inline(always)]
pub(crate) fn asked_for(cookie: u64, peer: &Endpoint) -> Option<Endpoint> {
    let connection = of_socket(cookie)?;
    if counted(connection) & FREE_WHEN_READ != 0 || !is_to(connection, peer) {
        return None;
    }
    Some(origin::asked(origin(connection)))
}

/// Whether the connection goes to this server.
#[inline(always)]
pub(crate) fn is_to(connection: *mut Connection, server: &Endpoint) -> bool {
    origin::server(origin(connection)).is(server)
}
