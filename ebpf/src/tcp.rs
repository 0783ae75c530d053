//! What is known of the TCP connections that go to services, by the cookies of their sockets.
//!
//! A memory that the kernel keeps with each socket (as `origin` is) would do as well, but it is made of
//! two parts, both filled with zeros first and freed by way of RCU: it took two thirds of all that a
//! connection cost.
//!
//! An entry comes with `connect(2)` and goes when the connection has ended (`connections`), or with its
//! socket if it never began (`release`). It is changed under its socket's lock only, but for what
//! `live` does to it; how the two keep out of each other's way is told at [`Connection`].

use core::{ffi::c_void, ptr::addr_of};

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_F_NO_PREALLOC, BPF_NOEXIST},
    btf_maps::HashMap,
    helpers::bpf_get_socket_cookie,
    macros::btf_map,
    programs::SockAddrContext,
};
use sockvs_ebpf_common::{COUNTED, Connection, MAX_CONNECTIONS, UNCOUNTED};

use crate::address::{self, Endpoint};

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
    cookie_of(ctx.as_ptr())
}

/// The cookie of the socket that this stands for: the program's context, or a socket itself.
#[inline(always)]
pub(crate) fn cookie_of(socket: *mut c_void) -> u64 {
    // SAFETY: the helper takes the contexts of all program types that call this, and sockets.
    unsafe { bpf_get_socket_cookie(socket) }
}

/// Remembers; fills in whose connection it is. If there is no room for another one, the connection
/// works, but is not counted, and `getpeername` tells the server.
#[inline(always)]
pub(crate) fn remember(ctx: &SockAddrContext, connection: &mut Connection) {
    let cookie = cookie(ctx);
    connection.cookie = cookie;
    connection.socket = address::socket(ctx) as u64;
    if insert(cookie, connection) {
        return;
    }
    // An entry of an earlier attempt that failed. Should one be looked at that has ended just now, it
    // has to stay; then this is as if there were no room.
    forget_unbegun(cookie);
    insert(cookie, connection);
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

/// As what it is counted, and the flags beside it.
#[inline(always)]
pub(crate) fn counted(connection: *mut Connection) -> u32 {
    // SAFETY: a field of an entry; the word is read whole.
    unsafe { addr_of!((*connection).origin.counted).read_volatile() }
}

/// The address that the socket asked for, if `peer` is the server it got for it. What is known may be
/// of a connection that never began, before the socket was connected to something else.
#[inline(always)]
pub(crate) fn asked_for(ctx: &SockAddrContext, peer: &Endpoint) -> Option<Endpoint> {
    let connection = of_socket(cookie(ctx))?;
    if !is_to(connection, peer) {
        return None;
    }
    // SAFETY: a field of an entry, which only this socket's calls change.
    let address = unsafe { addr_of!((*connection).origin.virtual_address).read_volatile() };
    // SAFETY: as above.
    let port = unsafe { addr_of!((*connection).origin.virtual_port).read_volatile() };
    Some(Endpoint { address, port })
}

/// Whether the connection goes to this server.
#[inline(always)]
pub(crate) fn is_to(connection: *mut Connection, server: &Endpoint) -> bool {
    // SAFETY: as in `asked_for`.
    let port = unsafe { addr_of!((*connection).origin.server_port).read_volatile() };
    // SAFETY: as in `asked_for`.
    let address = unsafe { addr_of!((*connection).origin.server_address).read_volatile() };
    port == server.port
        && address[0] == server.address[0]
        && address[1] == server.address[1]
        && address[2] == server.address[2]
        && address[3] == server.address[3]
}
