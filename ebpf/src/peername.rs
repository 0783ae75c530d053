//! `getpeername(2)`: the peer of a connection to a service is the virtual address.

use crate::{connections, sock_addr::SockAddr, socket, verdict::PROCEED};

/// `getpeername(2)` of an IPv4 socket.
#[inline(always)]
pub(crate) fn getpeername4(call: SockAddr) -> i32 {
    let cookie = socket::cookie(&call);
    if let Some(virtual_endpoint) = connections::virtual_endpoint(cookie, &call.endpoint4()) {
        call.set_endpoint4(&virtual_endpoint);
    }
    PROCEED
}

/// `getpeername(2)` of an IPv6 socket.
#[inline(always)]
pub(crate) fn getpeername6(call: SockAddr) -> i32 {
    let cookie = socket::cookie(&call);
    if let Some(virtual_endpoint) = connections::virtual_endpoint(cookie, &call.endpoint6()) {
        call.set_endpoint6(&virtual_endpoint);
    }
    PROCEED
}
