//! A socket's end. What one of UDP was counted for is over. One of TCP tells by its states
//! (`connections`), but not if its connection never began.

use core::ptr::addr_of;

use aya_ebpf::{bindings::bpf_sock, programs::SockContext};
use sockvs_ebpf_common::{IPPROTO_TCP, IPPROTO_UDP, UNCOUNTED};

use crate::{accounting, flows, origin, tcp};

/// The states of TCP before a connection has begun (`net/tcp_states.h`): the first packet of TCP fast
/// open is sent later than the state says.
const SYN_SENT: u32 = 2;
const CLOSE: u32 = 7;

/// The last descriptor of a socket is closed.
#[inline(always)]
pub(crate) fn release(ctx: &SockContext) {
    const TCP: u32 = IPPROTO_TCP as u32;
    const UDP: u32 = IPPROTO_UDP as u32;
    // SAFETY: the program's context, whose fields it may read.
    match unsafe { addr_of!((*ctx.sock).protocol).read_volatile() } {
        TCP => of_tcp(ctx),
        UDP => of_udp(ctx.sock),
        _ => {}
    }
}

#[inline(always)]
fn of_tcp(ctx: &SockContext) {
    // SAFETY: the program's context, whose fields it may read.
    let state = unsafe { addr_of!((*ctx.sock).state).read_volatile() };
    if state == CLOSE || state == SYN_SENT {
        tcp::forget_unbegun(tcp::cookie(ctx));
    }
}

#[inline(always)]
fn of_udp(sk: *mut bpf_sock) {
    if let Some(origin) = origin::of_socket(sk)
        && origin.counted != UNCOUNTED
    {
        accounting::end(&origin);
        // It takes a while until the socket is gone from the map.
        origin::uncount(sk);
    }
    if let Some(flows) = flows::of_socket(sk) {
        flows::end_all(flows);
    }
}
