//! The eBPF programs of sockvs, attached to a cgroup: what happens inside `connect(2)`,
//! `sendmsg(2)`, `recvmsg(2)` and `getpeername(2)` of every process below it.
//!
//! `connect` takes a socket to a server, `datagram` does it for each datagram of one that is not
//! connected, `peername` answers with the address that was asked for; `states` and `release` watch over
//! what becomes of sockets. `services` finds out which service a call is for, `balance` on
//! what terms it gets a server, `persistence` which one the client had, `selection` chooses.
//! `accounting` counts, `connections` and `flows` are what is known of sockets, each with its `origin`, of
//! which no user has more than its `shares`;
//! `table` is the way through the maps, `address` reads and writes the program's context. `live` runs when the daemon asks what
//! sockets are open; `settled` is what of them has been counted already, `socket` reads the kernel's.
//!
//! The programs count connections, advance cursors and enter templates; all else in the maps is the
//! daemon's to write. Nothing here runs for a packet of a connected socket.

#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    internal_features,
    reason = "atomic arithmetic exists on this target only as an intrinsic"
)]

mod accounting;
mod address;
mod balance;
mod connect;
mod connections;
mod counter;
mod datagram;
mod flows;
mod live;
mod origin;
mod peername;
mod persistence;
mod release;
mod selection;
mod services;
mod settled;
mod shares;
mod socket;
mod states;
mod table;
mod words;

use aya_ebpf::{
    macros::{cgroup_sock, cgroup_sock_addr, sock_ops},
    programs::{SockAddrContext, SockContext, SockOpsContext},
};

/// The call goes on.
const PROCEED: i32 = 1;
/// The call fails, with `EPERM` unless another error was set.
const REFUSE: i32 = 0;

/// `connect(2)` of an IPv4 socket.
#[cgroup_sock_addr(connect4)]
pub(crate) fn sockvs_connect4(ctx: SockAddrContext) -> i32 {
    connect::connect4(&ctx)
}

/// `connect(2)` of an IPv6 socket, to an IPv6 or an IPv4-mapped address.
#[cgroup_sock_addr(connect6)]
pub(crate) fn sockvs_connect6(ctx: SockAddrContext) -> i32 {
    connect::connect6(&ctx)
}

/// `getpeername(2)` of an IPv4 socket.
#[cgroup_sock_addr(getpeername4)]
pub(crate) fn sockvs_getpeername4(ctx: SockAddrContext) -> i32 {
    peername::getpeername4(&ctx)
}

/// `getpeername(2)` of an IPv6 socket.
#[cgroup_sock_addr(getpeername6)]
pub(crate) fn sockvs_getpeername6(ctx: SockAddrContext) -> i32 {
    peername::getpeername6(&ctx)
}

/// `sendmsg(2)` to an IPv4 address.
#[cgroup_sock_addr(sendmsg4)]
pub(crate) fn sockvs_sendmsg4(ctx: SockAddrContext) -> i32 {
    datagram::sendmsg4(&ctx)
}

/// `sendmsg(2)` to an IPv6 address.
#[cgroup_sock_addr(sendmsg6)]
pub(crate) fn sockvs_sendmsg6(ctx: SockAddrContext) -> i32 {
    datagram::sendmsg6(&ctx)
}

/// `recvmsg(2)` of an IPv4 socket.
#[cgroup_sock_addr(recvmsg4)]
pub(crate) fn sockvs_recvmsg4(ctx: SockAddrContext) -> i32 {
    datagram::recvmsg4(&ctx)
}

/// `recvmsg(2)` of an IPv6 socket.
#[cgroup_sock_addr(recvmsg6)]
pub(crate) fn sockvs_recvmsg6(ctx: SockAddrContext) -> i32 {
    datagram::recvmsg6(&ctx)
}

/// The end of a socket.
#[cgroup_sock(sock_release)]
pub(crate) fn sockvs_sock_release(ctx: SockContext) -> i32 {
    release::release(&ctx);
    PROCEED
}

/// What becomes of a TCP connection.
#[sock_ops]
pub(crate) fn sockvs_sockops(ctx: SockOpsContext) -> u32 {
    states::observe(&ctx);
    1
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier accepts no program that can get here; the compiler wants the function to exist.
    loop {}
}

/// The helpers that the programs call are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
