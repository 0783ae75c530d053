//! The eBPF programs of sockvs, attached to a cgroup: what happens inside `connect(2)` and
//! `getpeername(2)` of every process below it.
//!
//! `connect` takes a socket to a server, `peername` answers with the address that was asked for,
//! `connections` counts. `table` is the way through the maps, `selection` chooses, `address` reads and writes the
//! program's context, `origin` is what a socket remembers.
//!
//! The programs count connections and advance cursors; all else in the maps is the daemon's to
//! write. Nothing here runs for a packet of an established connection.

#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    internal_features,
    reason = "atomic arithmetic exists on this target only as an intrinsic"
)]

mod address;
mod connect;
mod connections;
mod counter;
mod origin;
mod peername;
mod selection;
mod table;

use aya_ebpf::{
    macros::{cgroup_sock_addr, sock_ops},
    programs::{SockAddrContext, SockOpsContext},
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

/// What becomes of a TCP connection.
#[sock_ops]
pub(crate) fn sockvs_sockops(ctx: SockOpsContext) -> u32 {
    connections::observe(&ctx);
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
