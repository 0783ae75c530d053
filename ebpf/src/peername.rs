//! `getpeername(2)`: a connection that came through a service has the virtual address as its peer.

use aya_ebpf::programs::SockAddrContext;

use crate::{
    PROCEED,
    address::{self, Endpoint},
    origin,
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

/// The address that the socket asked for, if its peer is the server it got for it. A socket that is
/// connected to something else since has another peer.
#[inline(always)]
fn asked_for(ctx: &SockAddrContext, peer: &Endpoint) -> Option<Endpoint> {
    let origin = origin::recall(ctx)?;
    let server = origin.server_address;
    (server[0] == peer.address[0]
        && server[1] == peer.address[1]
        && server[2] == peer.address[2]
        && server[3] == peer.address[3]
        && origin.server_port == peer.port)
        .then_some(Endpoint {
            address: origin.virtual_address,
            port: origin.virtual_port,
        })
}
