//! The two ends of what a socket remembers of its way: the address it asked for and the server it
//! got.

use core::ptr::addr_of;

use sockvs_ebpf_common::Origin;

use crate::address::Endpoint;

/// The address that the socket asked for.
#[inline(always)]
pub(crate) fn asked(origin: *const Origin) -> Endpoint {
    // SAFETY: callers pass what is remembered of a socket, in an entry of a map.
    let address = unsafe { addr_of!((*origin).virtual_address).read_volatile() };
    // SAFETY: as above.
    let port = unsafe { addr_of!((*origin).virtual_port).read_volatile() };
    Endpoint { address, port }
}

/// The server that it got.
#[inline(always)]
pub(crate) fn server(origin: *const Origin) -> Endpoint {
    // SAFETY: as in `asked`.
    let address = unsafe { addr_of!((*origin).server_address).read_volatile() };
    // SAFETY: as above.
    let port = unsafe { addr_of!((*origin).server_port).read_volatile() };
    Endpoint { address, port }
}
