//! A socket's end. What one of UDP was counted for is over. One of TCP tells by its states
//! (`states`), but not if its connection never began.

use core::ptr::addr_of;

use aya_ebpf::programs::SockContext;
use sockvs_ebpf_common::{IPPROTO_TCP, IPPROTO_UDP};

use crate::{connections, flows};

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
        UDP => of_udp(ctx),
        _ => {}
    }
}

#[inline(always)]
fn of_tcp(ctx: &SockContext) {
    // SAFETY: the program's context, whose fields it may read.
    let state = unsafe { addr_of!((*ctx.sock).state).read_volatile() };
    if state == CLOSE || state == SYN_SENT {
        connections::forget_unbegun(connections::cookie(ctx));
    }
}

#[inline(always)]
fn of_udp(ctx: &SockContext) {
    let cookie = connections::cookie(ctx);
    connections::end_datagrams(cookie);
    flows::end_all(cookie);
}
