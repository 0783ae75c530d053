//! The two ends of what a socket remembers of its way: the address it asked for and the server it
//! got.

use core::ptr::addr_of;

use sockvs_ebpf_common::ConnTuple;

use crate::address::Endpoint;

/// The address that the socket asked for.
#[inline(always)]
pub(crate) fn asked(origin: *const ConnTuple) -> Endpoint {
    // SAFETY: callers pass what is remembered of a socket, in an entry of a map.
    let address = unsafe { addr_of!((*origin).vaddr).read_volatile() };
    // SAFETY: as above.
    let port = unsafe { addr_of!((*origin).vport).read_volatile() };
    Endpoint { address, port }
}

/// The server that it got.
#[inline(always)]
pub(crate) fn server(origin: *const ConnTuple) -> Endpoint {
    // SAFETY: as in `asked`.
    let address = unsafe { addr_of!((*origin).daddr).read_volatile() };
    // SAFETY: as above.
    let port = unsafe { addr_of!((*origin).dport).read_volatile() };
    Endpoint { address, port }
}
