//! The last close of a socket. Connections and flows of UDP end with it. The end of a TCP
//! connection is a change of state (`states`), unless the connection was never established.

use core::ptr::addr_of;

use aya_ebpf::programs::SockContext;
use sockvs_ebpf_common::{IPPROTO_TCP, IPPROTO_UDP};

use crate::{connections, flows, socket};

/// The last descriptor of a socket is closed.
#[inline(always)]
pub(crate) fn release(ctx: &SockContext) {
    const TCP: u32 = IPPROTO_TCP as u32;
    const UDP: u32 = IPPROTO_UDP as u32;
    // SAFETY: the program's context, whose fields it may read.
    match unsafe { addr_of!((*ctx.sock).protocol).read_volatile() } {
        // In any state: no connection of this socket can be established any more.
        TCP => connections::remove_unestablished(socket::cookie(ctx)),
        UDP => release_udp(socket::cookie(ctx)),
        _ => {}
    }
}

#[inline(always)]
fn release_udp(cookie: u64) {
    connections::udp_disconnected(cookie);
    flows::remove_all(cookie);
}
