//! A UDP socket's end: what it was counted for is over. (TCP tells by its states, `connections`.)

use aya_ebpf::programs::SockContext;
use sockvs_ebpf_common::UNCOUNTED;

use crate::{accounting, flows, origin};

/// The last descriptor of a socket is closed.
#[inline(always)]
pub(crate) fn release(ctx: &SockContext) {
    if let Some(origin) = origin::of_datagrams(ctx.sock)
        && origin.counted != UNCOUNTED
    {
        accounting::end(&origin);
        // It takes a while until the socket is gone from the map.
        origin::uncount(ctx.sock);
    }
    if let Some(flows) = flows::of_socket(ctx.sock) {
        flows::end_all(flows);
    }
}
