//! The netlink hook of sockvs: intercepts requests for the family "IPVS" on their way to the
//! kernel.
//!
//! The program is made to run in place of `security_netlink_send(sk, skb)`, which the kernel calls
//! for every netlink datagram that user space sends. What it returns decides:
//!
//! * 0: the datagram goes on to the kernel, as all do that are not intercepted;
//! * the datagram's length: the daemon has it. The kernel drops its own copy, and the sender's call
//!   reports that all was sent;
//! * a negative error number: the sender's call fails with it.
//!
//! `request` decides what is intercepted, `sender` reads the sending process and its rights, `ring`
//! passes the datagram to the daemon, `kernel` reads the kernel's memory.
//!
//! The library for loading knows no section name for this kind of program, so it is declared as the
//! security hook, whose context is the same; the daemon loads it itself.

#![no_std]
#![no_main]

mod kernel;
mod request;
mod ring;
mod sender;

use aya_ebpf::{macros::lsm, programs::LsmContext};

use kernel::{Skb, Sock};

/// The netlink protocol of generic families (`NETLINK_GENERIC`).
const NETLINK_GENERIC: u16 = 16;
/// The datagram goes on to the kernel.
const PASS: i32 = 0;

/// Every netlink datagram that user space sends.
#[lsm(hook = "netlink_send")]
pub(crate) fn sockvs_netlink_send(ctx: LsmContext) -> i32 {
    let sock = Sock::new(ctx.arg(0));
    // Most datagrams are not intercepted, and pass as early as possible.
    if sock.protocol() != NETLINK_GENERIC {
        return PASS;
    }
    let Some(netns) = sock.netns() else {
        return PASS;
    };
    let served = kernel::setting!(served);
    if served != 0 && served != netns {
        return PASS;
    }
    let skb = Skb::new(ctx.arg(1));
    if skb.is_for_a_group() || !request::is_intercepted(&skb) || sender::is_daemon() {
        return PASS;
    }
    if !skb.names_its_destination() && sock.is_connected_to_a_process() {
        return PASS;
    }
    let now = ring::now();
    if ring::daemon_is_absent(now) {
        return PASS;
    }
    ring::submit(&sock, &skb, netns, now)
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier accepts no program that can get here; the compiler wants the function to exist.
    loop {}
}

/// The helpers that the program calls are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
