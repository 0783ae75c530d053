//! The eBPF programs of sockvs that are attached to a cgroup: what happens inside `connect(2)`,
//! `sendmsg(2)`, `recvmsg(2)` and `getpeername(2)` of every process below it.
//!
//! * Hooks: `connect` translates the address of a connection, `datagram` that of each datagram of a
//!   socket that is not connected, `peername` translates back; `states` and `release` follow what
//!   becomes of sockets; `live` runs when the daemon asks what is open.
//! * Scheduling: `services` finds the service of a call, `balance` schedules and translates the
//!   call, with the client's previous destination from `persistence` or a new one from `selection`;
//!   `verdict` is the outcome.
//! * State: `connections` and `flows` hold the sockets' tuples, limited by `shares`; `accounting`
//!   counts them, `tcp_counters` their traffic.
//! * Access: `maps` looks up `records`, whose words are `atomic`; `sock_addr`, `sock_ops` and
//!   `kernel_sock` read and write the kernel's structures.
//!
//! The programs count connections, advance cursors and insert templates; everything else in the
//! maps is written by the daemon. Nothing here runs for a packet of a connected socket.

#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    internal_features,
    reason = "atomic arithmetic exists on this target only as an intrinsic"
)]

mod accounting;
mod address;
mod atomic;
mod balance;
mod clock;
mod config;
mod connect;
mod connections;
mod datagram;
mod flows;
mod kernel_sock;
mod live;
mod maps;
mod mem;
mod peername;
mod persistence;
mod records;
mod release;
mod selection;
mod services;
mod shares;
mod sock_addr;
mod sock_ops;
mod socket;
mod states;
mod tcp_counters;
mod verdict;

use aya_ebpf::{
    macros::{cgroup_sock, cgroup_sock_addr, sock_ops},
    programs::{SockAddrContext, SockContext, SockOpsContext},
};

use sock_addr::SockAddr;
use verdict::PROCEED;

/// `connect(2)` of an IPv4 socket.
#[cgroup_sock_addr(connect4)]
pub(crate) fn sockvs_connect4(ctx: SockAddrContext) -> i32 {
    connect::connect4(SockAddr::new(&ctx))
}

/// `connect(2)` of an IPv6 socket, to an IPv6 or an IPv4-mapped address.
#[cgroup_sock_addr(connect6)]
pub(crate) fn sockvs_connect6(ctx: SockAddrContext) -> i32 {
    connect::connect6(SockAddr::new(&ctx))
}

/// `getpeername(2)` of an IPv4 socket.
#[cgroup_sock_addr(getpeername4)]
pub(crate) fn sockvs_getpeername4(ctx: SockAddrContext) -> i32 {
    peername::getpeername4(SockAddr::new(&ctx))
}

/// `getpeername(2)` of an IPv6 socket.
#[cgroup_sock_addr(getpeername6)]
pub(crate) fn sockvs_getpeername6(ctx: SockAddrContext) -> i32 {
    peername::getpeername6(SockAddr::new(&ctx))
}

/// `sendmsg(2)` to an IPv4 address.
#[cgroup_sock_addr(sendmsg4)]
pub(crate) fn sockvs_sendmsg4(ctx: SockAddrContext) -> i32 {
    datagram::sendmsg4(SockAddr::new(&ctx))
}

/// `sendmsg(2)` to an IPv6 address.
#[cgroup_sock_addr(sendmsg6)]
pub(crate) fn sockvs_sendmsg6(ctx: SockAddrContext) -> i32 {
    datagram::sendmsg6(SockAddr::new(&ctx))
}

/// `recvmsg(2)` of an IPv4 socket.
#[cgroup_sock_addr(recvmsg4)]
pub(crate) fn sockvs_recvmsg4(ctx: SockAddrContext) -> i32 {
    datagram::recvmsg4(SockAddr::new(&ctx))
}

/// `recvmsg(2)` of an IPv6 socket.
#[cgroup_sock_addr(recvmsg6)]
pub(crate) fn sockvs_recvmsg6(ctx: SockAddrContext) -> i32 {
    datagram::recvmsg6(SockAddr::new(&ctx))
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
    states::handle(&ctx);
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
