//! `getpeername(2)`: a connection that came through a service has the virtual address as its peer.

use aya_ebpf::programs::SockAddrContext;
use sockvs_ebpf_common::IPPROTO_TCP;

use crate::{
    PROCEED,
    address::{self, Endpoint},
    origin, tcp,
};

/// `getpeername(2)` of an IPv4 socket.
#[inline(always)]
pub(crate) fn getpeername4(ctx: &SockAddrContext) -> i32 {
    if let Some(asked) = asked_for(ctx, &address::read4(ctx)) {
        address::write4(ctx, &asked);
    }
    PROCEED
}

/// `getpeername(2)` of an IPv6 socket.
#[inline(always)]
pub(crate) fn getpeername6(ctx: &SockAddrContext) -> i32 {
    if let Some(asked) = asked_for(ctx, &address::read6(ctx)) {
        address::write6(ctx, &asked);
    }
    PROCEED
}

#[inline(always)]
fn asked_for(ctx: &SockAddrContext, peer: &Endpoint) -> Option<Endpoint> {
    if address::protocol(ctx) == u32::from(IPPROTO_TCP) {
        tcp::asked_for(ctx, peer)
    } else {
        origin::asked_for(ctx, peer)
    }
}
