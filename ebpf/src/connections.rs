//! What is known of the connections that go to services, by the cookies of their sockets.
//!
//! Each has an entry in an array, at one of a few places that its cookie leads to; which it is, is found
//! out in a few steps. A memory that the kernel keeps with each socket would do as well, but that is made
//! of two parts, both filled with zeros first and freed by way of RCU: it took two thirds of all that a
//! connection cost. A hash map in the kernel took a third of the rest.
//!
//! An entry comes with `connect(2)`. One of TCP goes when the connection has ended (`states`), or with
//! its socket if it never began; one of UDP with its socket (`release`), or when the socket is connected
//! to something else. It is changed under its socket's lock only, but for what `live` does to it; how
//! the two keep out of each other's way is told at [`Connection`].

use core::{
    ffi::c_void,
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::{
    EbpfContext, btf_maps::Array, helpers::bpf_get_socket_cookie, macros::btf_map,
    programs::SockAddrContext,
};
use sockvs_ebpf_common::{
    BEING_READ, CONNECTIONS_PER_GROUP, COUNTED, COUNTED_INACTIVE, Connection, ConnectionGroup,
    ENDED, MAX_CONNECTIONS, OVER, Origin, PLACES, UNCOUNTED, connection_index,
};

use crate::{
    accounting,
    address::{self, Endpoint},
    counter, origin, table, words,
};

#[btf_map]
static CONNECTIONS: Array<ConnectionGroup, { (MAX_CONNECTIONS / CONNECTIONS_PER_GROUP) as usize }> =
    Array::new();

/// One less than there are entries. The daemon sets it before the programs are loaded.
#[unsafe(no_mangle)]
static CONNECTIONS_MASK: u32 = MAX_CONNECTIONS - 1;

/// The entry with this index.
#[inline(always)]
pub(crate) fn at(index: u32) -> Option<*mut Connection> {
    let group = CONNECTIONS.get_ptr_mut(index / CONNECTIONS_PER_GROUP)?;
    // SAFETY: a part of a value of the map.
    let first = unsafe { addr_of_mut!((*group).connections) }.cast::<Connection>();
    // SAFETY: the index within a group is below what a group has.
    Some(unsafe { first.add((index % CONNECTIONS_PER_GROUP) as usize) })
}

/// The `nth` of the places where the entry of this cookie's socket can be.
#[inline(always)]
fn place(cookie: u64, nth: u32) -> Option<*mut Connection> {
    // SAFETY: a valid, aligned static. Volatile, because its value is not the one written here.
    let mask = unsafe { addr_of!(CONNECTIONS_MASK).read_volatile() };
    at(connection_index(cookie, nth, mask))
}

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
pub(crate) fn remember(ctx: &SockAddrContext, origin: &Origin) {
    let cookie = cookie(ctx);
    let entry = match of_socket(cookie) {
        // An earlier attempt that failed. One that is looked at and has ended just now has to stay; then
        // this is as if there were no room.
        Some(entry) if counted(entry) == UNCOUNTED => Some(entry),
        Some(_) => None,
        None => take(cookie),
    };
    if let Some(entry) = entry {
        fill_in(ctx, entry, origin);
    }
}

/// As `remember`, for a socket of UDP: it is connected from now on, and counted.
#[inline(always)]
pub(crate) fn begin_datagrams(ctx: &SockAddrContext, origin: &Origin) {
    let cookie = cookie(ctx);
    end_datagrams(cookie);
    if of_socket(cookie).is_some() {
        return;
    }
    let Some(entry) = take(cookie) else {
        return;
    };
    fill_in(ctx, entry, origin);
    table::note_server(&origin.server_address);
    if accounting::begin(origin, false) {
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
    if counted & OVER != 0 {
        // Somebody has been looking at it since, and will free it.
        return;
    }
    if counted & COUNTED != UNCOUNTED {
        accounting::end(origin(connection));
    }
    if counter::add_half(word(connection), ENDED | OVER) & BEING_READ == 0 {
        forget(cookie);
    }
}

/// `origin` is not counted yet.
#[inline(always)]
fn fill_in(ctx: &SockAddrContext, entry: *mut Connection, origin: &Origin) {
    // SAFETY: a part of an entry, which is this socket's.
    words::copy(unsafe { addr_of_mut!((*entry).origin) }, origin);
    // SAFETY: as above.
    unsafe { addr_of_mut!((*entry).settled.inpkts).write_volatile(0) };
    // SAFETY: as above.
    unsafe { addr_of_mut!((*entry).settled.outpkts).write_volatile(0) };
    // SAFETY: as above.
    unsafe { addr_of_mut!((*entry).settled.inbytes).write_volatile(0) };
    // SAFETY: as above.
    unsafe { addr_of_mut!((*entry).settled.outbytes).write_volatile(0) };
    let socket = address::socket(ctx) as u64;
    // SAFETY: as above.
    unsafe { addr_of_mut!((*entry).socket).write_volatile(socket) };
}

/// What is known of the connection of the socket with this cookie.
#[inline(always)]
pub(crate) fn of_socket(cookie: u64) -> Option<*mut Connection> {
    let first = place(cookie, 0)?;
    if owner(first) == cookie {
        return Some(first);
    }
    // SAFETY: a field of an entry, read whole.
    if unsafe { addr_of!((*first).away).read_volatile() } == 0 {
        return None;
    }
    let nth = sockvs_find_away(cookie);
    if nth == 0 {
        return None;
    }
    place(cookie, nth)
}

/// Which of its other places the entry of this cookie's socket is at; zero if it is at none. A function
/// of its own for the verifier's sake; so `sockvs_take_away`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_find_away(cookie: u64) -> u32 {
    for nth in 1..PLACES {
        if let Some(entry) = place(cookie, nth)
            && owner(entry) == cookie
        {
            return nth;
        }
    }
    0
}

/// A free entry for the socket with this cookie, which has none; it is that socket's from now on.
#[inline(always)]
fn take(cookie: u64) -> Option<*mut Connection> {
    let first = place(cookie, 0)?;
    if counter::replace(cookie_of(first), 0, cookie) {
        return Some(first);
    }
    let nth = sockvs_take_away(cookie);
    if nth == 0 {
        return None;
    }
    // SAFETY: a field of an entry.
    counter::add_half(unsafe { addr_of_mut!((*first).away) }, 1);
    place(cookie, nth)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_take_away(cookie: u64) -> u32 {
    for nth in 1..PLACES {
        if let Some(entry) = place(cookie, nth)
            && counter::replace(cookie_of(entry), 0, cookie)
        {
            return nth;
        }
    }
    0
}

/// Forgets the connection of the socket with this cookie: its entry is free.
#[inline(always)]
pub(crate) fn forget(cookie: u64) {
    let Some(first) = place(cookie, 0) else {
        return;
    };
    if owner(first) == cookie {
        free(first);
        return;
    }
    let nth = sockvs_find_away(cookie);
    if nth != 0
        && let Some(entry) = place(cookie, nth)
    {
        free(entry);
        // SAFETY: a field of an entry.
        counter::add_half(unsafe { addr_of_mut!((*first).away) }, u32::MAX);
    }
}

/// Its owner is the last that changes: who takes it then finds the rest as it ought to be.
#[inline(always)]
fn free(entry: *mut Connection) {
    // SAFETY: a field of an entry, written whole.
    unsafe { word(entry).write_volatile(UNCOUNTED) };
    counter::exchange(cookie_of(entry), 0);
}

/// The cookie of the socket whose entry it is.
#[inline(always)]
pub(crate) fn owner(entry: *mut Connection) -> u64 {
    // SAFETY: a field of an entry, read whole.
    unsafe { cookie_of(entry).read_volatile() }
}

#[inline(always)]
fn cookie_of(entry: *mut Connection) -> *mut u64 {
    // SAFETY: a field of an entry.
    unsafe { addr_of_mut!((*entry).cookie) }
}

/// Forgets it if it never began.
#[inline(always)]
pub(crate) fn forget_unbegun(cookie: u64) {
    if let Some(connection) = of_socket(cookie)
        && counted(connection) & COUNTED == UNCOUNTED
    {
        forget(cookie);
    }
}

/// Whereto it was made and where it goes.
#[inline(always)]
pub(crate) fn origin<'a>(connection: *mut Connection) -> &'a Origin {
    // SAFETY: entries stay where they are, and this one is its socket's until that one's programs, or
    // who looks at it, free it.
    unsafe { &(*connection).origin }
}

/// The word that tells as what the connection is counted.
#[inline(always)]
pub(crate) fn word(connection: *mut Connection) -> *mut u32 {
    // SAFETY: a field of an entry.
    unsafe { addr_of_mut!((*connection).origin.counted) }
}

/// As what it is counted, and the flags beside it.
#[inline(always)]
pub(crate) fn counted(connection: *mut Connection) -> u32 {
    // SAFETY: a field of an entry; the word is read whole.
    unsafe { word(connection).read_volatile() }
}

/// The address that the socket with this cookie asked for, if `peer` is the server it got for it. What is known may be
/// of a connection that never began, before the socket was connected to something else.
#[inline(always)]
pub(crate) fn asked_for(cookie: u64, peer: &Endpoint) -> Option<Endpoint> {
    let connection = of_socket(cookie)?;
    if counted(connection) & OVER != 0 || !is_to(connection, peer) {
        return None;
    }
    Some(origin::asked(origin(connection)))
}

/// Whether the connection goes to this server.
#[inline(always)]
pub(crate) fn is_to(connection: *mut Connection, server: &Endpoint) -> bool {
    origin::server(origin(connection)).is(server)
}
