//! What is known of the connections that go to services, by the cookies of their sockets.
//!
//! A memory that the kernel keeps with each socket would do as well, but it is made of two parts, both
//! filled with zeros first and freed by way of RCU: it took two thirds of all that a connection cost.
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
    EbpfContext,
    bindings::{BPF_F_NO_PREALLOC, BPF_NOEXIST},
    btf_maps::HashMap,
    helpers::bpf_get_socket_cookie,
    macros::btf_map,
    programs::SockAddrContext,
};
use sockvs_ebpf_common::{
    BEING_READ, COUNTED, COUNTED_INACTIVE, Connection, ENDED, MAX_CONNECTIONS, OVER, Origin,
    UNCOUNTED,
};

use crate::{
    accounting,
    address::{self, Endpoint},
    counter, origin, table,
};

#[btf_map]
static CONNECTIONS: HashMap<
    u64,
    Connection,
    { MAX_CONNECTIONS as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

/// The cookie of the socket that a program runs for.
#[inline(always)]
pub(crate) fn cookie(ctx: &impl EbpfContext) -> u64 {
    let socket: *mut c_void = ctx.as_ptr();
    // SAFETY: the helper takes the contexts of all program types that call this.
    unsafe { bpf_get_socket_cookie(socket) }
}

/// Remembers a connection of TCP that is about to be made; fills in whose it is. If there is no room for
/// another one, the connection works, but is not counted, and `getpeername` tells the server.
#[inline(always)]
pub(crate) fn remember(ctx: &SockAddrContext, connection: &mut Connection) {
    let cookie = cookie(ctx);
    fill_in(ctx, cookie, connection);
    if insert(cookie, connection) {
        return;
    }
    // An entry of an earlier attempt that failed. Should one be looked at that has ended just now, it
    // has to stay; then this is as if there were no room.
    forget_unbegun(cookie);
    insert(cookie, connection);
}

/// As `remember`, for a socket of UDP: it is connected from now on, and counted.
#[inline(always)]
pub(crate) fn begin_datagrams(ctx: &SockAddrContext, connection: &mut Connection) {
    let cookie = cookie(ctx);
    fill_in(ctx, cookie, connection);
    end_datagrams(cookie);
    if accounting::begin(&connection.origin, false) {
        connection.origin.counted = COUNTED_INACTIVE;
    }
    table::note_answering(&connection.origin.server_address);
    if !insert(cookie, connection) && connection.origin.counted != UNCOUNTED {
        accounting::end(&connection.origin);
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
        // Somebody has been looking at it since, and will take it out.
        return;
    }
    if counted & COUNTED != UNCOUNTED {
        accounting::end(origin(connection));
    }
    if counter::add_half(word(connection), ENDED | OVER) & BEING_READ == 0 {
        forget(cookie);
    }
}

#[inline(always)]
fn fill_in(ctx: &SockAddrContext, cookie: u64, connection: &mut Connection) {
    connection.cookie = cookie;
    connection.socket = address::socket(ctx) as u64;
}

#[inline(always)]
fn insert(cookie: u64, connection: &Connection) -> bool {
    CONNECTIONS
        .insert(&cookie, connection, BPF_NOEXIST.into())
        .is_ok()
}

/// What is known of the connection of the socket with this cookie.
#[inline(always)]
pub(crate) fn of_socket(cookie: u64) -> Option<*mut Connection> {
    CONNECTIONS.get_ptr_mut(&cookie)
}

/// Forgets the connection of the socket with this cookie.
#[inline(always)]
pub(crate) fn forget(cookie: u64) {
    let _ = CONNECTIONS.remove(&cookie);
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
    // SAFETY: the entry stays until its socket's programs, or who looks at it, take it out.
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

/// The address that the socket asked for, if `peer` is the server it got for it. What is known may be
/// of a connection that never began, before the socket was connected to something else.
#[inline(always)]
pub(crate) fn asked_for(ctx: &SockAddrContext, peer: &Endpoint) -> Option<Endpoint> {
    let connection = of_socket(cookie(ctx))?;
    if counted(connection) & OVER != 0 || !is_to(connection, peer) {
        return None;
    }
    // SAFETY: a part of an entry, which only this socket's calls change.
    Some(origin::asked(unsafe { addr_of!((*connection).origin) }))
}

/// Whether the connection goes to this server.
#[inline(always)]
pub(crate) fn is_to(connection: *mut Connection, server: &Endpoint) -> bool {
    // SAFETY: as in `asked_for`.
    origin::server(unsafe { addr_of!((*connection).origin) }).is(server)
}
