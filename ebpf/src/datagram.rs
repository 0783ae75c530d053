//! Datagrams of sockets that are not connected: `sendmsg(2)` to a virtual address goes to a server,
//! and `recvmsg(2)` reports the virtual address as the source of the server's answer.
//!
//! A socket keeps its destination as long as it sends something from time to time and the
//! destination is in the table; with one-packet scheduling each datagram is scheduled by itself.

use sockvs_ebpf_common::{AF_INET, AF_INET6, COUNTED_INACTIVE, IPPROTO_UDP, UNCOUNTED};

use crate::{
    accounting,
    address::{self, Endpoint},
    balance::{self, Reach},
    clock, connections, flows, maps,
    records::FlowRef,
    services::{self, Found},
    sock_addr::SockAddr,
    socket::{self, Socket},
    verdict::{ENOBUFS, ENOMEM, PROCEED, Verdict},
};

/// `sendmsg(2)` to an IPv4 address, from a socket of either family.
#[inline(always)]
pub(crate) fn sendmsg4(call: SockAddr) -> i32 {
    let requested = call.endpoint4();
    sendmsg(call, AF_INET, &requested).report4(call)
}

/// `sendmsg(2)` to an IPv6 address. (To an IPv4-mapped one it is `sendmsg4`.)
#[inline(always)]
pub(crate) fn sendmsg6(call: SockAddr) -> i32 {
    let requested = call.endpoint6();
    sendmsg(call, AF_INET6, &requested).report6(call)
}

#[inline(always)]
fn sendmsg(call: SockAddr, family: u8, requested: &Endpoint) -> Verdict {
    if call.protocol() != u32::from(IPPROTO_UDP) {
        return Verdict::Pass;
    }
    let Some(service) = services::lookup(call, family, IPPROTO_UDP, requested) else {
        return Verdict::Pass;
    };
    let cookie = socket::cookie(&call);
    if !call.is_connected() {
        // It may have been, and no program sees a disconnection (`AF_UNSPEC`).
        connections::udp_disconnected(cookie);
    }
    let one_packet = balance::is_one_packet(service.record);
    let now = clock::now();
    let first = flows::at(cookie, 0);
    if first.is_some_and(|first| !flows::mark_used(first, now)) {
        return Verdict::Fail(ENOBUFS);
    }
    let known = first.and_then(|first| flows::lookup_virtual(first, cookie, requested));
    if !one_packet
        && let Some(flow) = known
        && let Some(server) = current_server(flow, &service, now)
    {
        flow.touch(now);
        return Verdict::Translate(server);
    }
    let mut tuple = balance::unscheduled(&service, requested);
    // A datagram of an IPv6 socket to an IPv6 address cannot be redirected to an IPv4 address.
    let verdict = balance::translate(call, &service, &mut tuple, Reach::Family(family));
    let Verdict::Translate(server) = verdict else {
        return verdict;
    };
    let known = if one_packet {
        accounting::count_datagram(&tuple);
        flows::lookup_server(cookie, &server)
            .filter(|flow| flow.tuple().virtual_endpoint().equals(requested))
    } else {
        if accounting::bind(&raw mut tuple, false) {
            tuple.counted = COUNTED_INACTIVE;
        }
        known
    };
    maps::add_server(&server.address);
    let socket = Socket {
        cookie,
        address: call.sock_address(),
    };
    if flows::start(socket, first, known, &tuple, now) {
        return Verdict::Translate(server);
    }
    if tuple.counted != UNCOUNTED {
        accounting::unbind(&tuple);
    }
    Verdict::Fail(ENOMEM)
}

/// The flow's server, if the next datagram goes there, too.
#[inline(always)]
fn current_server(flow: FlowRef, service: &Found, now: u64) -> Option<Endpoint> {
    let last = flow.last();
    let tuple = flow.tuple().as_ref();
    if tuple.counted == UNCOUNTED
        || tuple.service != service.index
        || tuple.service_use != service.record.use_number()
        || now - last > service.record.udp_timeout()
    {
        return None;
    }
    if !maps::destination_of(tuple)?.is_available() {
        return None;
    }
    Some(flow.tuple().server())
}

/// `recvmsg(2)` of an IPv4 socket.
#[inline(always)]
pub(crate) fn recvmsg4(call: SockAddr) -> i32 {
    let source = call.endpoint4();
    if maps::may_be_server(&source.address)
        && let Some(virtual_endpoint) = virtual_source(call, &source, &source)
    {
        call.set_endpoint4(&virtual_endpoint);
    }
    PROCEED
}

/// `recvmsg(2)` of an IPv6 socket, from an IPv6 or an IPv4-mapped address.
#[inline(always)]
pub(crate) fn recvmsg6(call: SockAddr) -> i32 {
    let source = call.endpoint6();
    let (family, unmapped) = source.unmapped();
    if maps::may_be_server(&unmapped.address)
        && let Some(mut virtual_endpoint) = virtual_source(call, &source, &unmapped)
    {
        if family == AF_INET && !address::is_v4_mapped(&virtual_endpoint.address) {
            virtual_endpoint.address = address::to_v4_mapped(virtual_endpoint.address[0]);
        }
        call.set_endpoint6(&virtual_endpoint);
    }
    PROCEED
}

/// The virtual address of the datagrams that this server may be answering: `source` as the socket
/// sees it, `unmapped` the same without IPv4 mapping.
#[inline(always)]
fn virtual_source(call: SockAddr, source: &Endpoint, unmapped: &Endpoint) -> Option<Endpoint> {
    let cookie = socket::cookie(&call);
    if let Some(virtual_endpoint) = connections::virtual_endpoint(cookie, source) {
        return Some(virtual_endpoint);
    }
    let flow = flows::lookup_server(cookie, unmapped)?;
    Some(flow.tuple().virtual_endpoint())
}
