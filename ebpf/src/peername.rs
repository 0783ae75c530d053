//! `getpeername(2)`: a connection that came through a service has the virtual address as its peer.

use aya_ebpf::programs::SockAddrContext;

use crate::{PROCEED, address, connections};

/// `getpeername(2)` of an IPv4 socket.
#[inline(always)]
pub(crate) fn getpeername4(ctx: &SockAddrContext) -> i32 {
    if let Some(asked) = connections::asked_for(connections::cookie(ctx), &address::read4(ctx)) {
        address::write4(ctx, &asked);
    }
    PROCEED
}

/// `getpeername(2)` of an IPv6 socket.
#[inline(always)]
pub(crate) fn getpeername6(ctx: &SockAddrContext) -> i32 {
    if let Some(asked) = connections::asked_for(connections::cookie(ctx), &address::read6(ctx)) {
        address::write6(ctx, &asked);
    }
    PROCEED
}
