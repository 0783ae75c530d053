//! The last close of a socket. What one of UDP was counted for is over. One of TCP tells by its states
//! (`states`), but not if its connection never began.

use core::ptr::addr_of;

use aya_ebpf::programs::SockContext;
use sockvs_ebpf_common::{IPPROTO_TCP, IPPROTO_UDP};

use crate::{connections, flows};

/// The last descriptor of a socket is closed.
#[inline(always)]
pub(crate) fn release(ctx: &SockContext) {
    const TCP: u32 = IPPROTO_TCP as u32;
    const UDP: u32 = IPPROTO_UDP as u32;
    // SAFETY: the program's context, whose fields it may read.
    match unsafe { addr_of!((*ctx.sock).protocol).read_volatile() } {
        // In whatever state: nothing begins any more that has not.
        TCP => connections::remove_unestablished(connections::cookie(ctx)),
        UDP => of_udp(ctx),
        _ => {}
    }
}

#[inline(always)]
fn of_udp(ctx: &SockContext) {
    let cookie = connections::cookie(ctx);
    connections::end_datagrams(cookie);
    flows::end_all(cookie);
}
