//! Datagrams of sockets that are not connected: `sendmsg(2)` to a virtual address goes to a server,
//! `recvmsg(2)` of the server's answer names the virtual address.
//!
//! A socket keeps its server for as long as it sends something now and then, and the server is in
//! the table; with one-packet scheduling each datagram gets a server of its own.

use core::ptr::addr_of;

use aya_ebpf::programs::SockAddrContext;
use sockvs_ebpf_common::{AF_INET, AF_INET6, COUNTED_INACTIVE, Flow, IPPROTO_UDP, UNCOUNTED};

use crate::{
    PROCEED, accounting,
    address::{self, Endpoint},
    balance::{self, ENETUNREACH, Verdict},
    connections,
    flows::{self, Socket},
    origin, persistence,
    services::{self, Found},
    table,
};

/// `sendmsg(2)` to an IPv4 address, from a socket of either family.
#[inline(always)]
pub(crate) fn sendmsg4(ctx: &SockAddrContext) -> i32 {
    let asked = address::read4(ctx);
    match server(ctx, AF_INET, &asked) {
        Sent::To(server) => address::write4(ctx, &server),
        Sent::AsIs => {}
        Sent::Not(errno) => return balance::refuse(errno),
    }
    PROCEED
}

/// `sendmsg(2)` to an IPv6 address. (To an IPv4-mapped one it is `sendmsg4`.)
#[inline(always)]
pub(crate) fn sendmsg6(ctx: &SockAddrContext) -> i32 {
    let asked = address::read6(ctx);
    match server(ctx, AF_INET6, &asked) {
        Sent::To(server) => address::write6(ctx, &server),
        Sent::AsIs => {}
        Sent::Not(errno) => return balance::refuse(errno),
    }
    PROCEED
}

/// The socket's flows are being removed at this moment.
const ENOBUFS: i32 = 105;

/// What becomes of a datagram.
enum Sent {
    /// It goes to a server.
    To(Endpoint),
    /// It goes where it was sent to.
    AsIs,
    /// It is not sent.
    Not(i32),
}

#[inline(always)]
fn server(ctx: &SockAddrContext, family: u8, asked: &Endpoint) -> Sent {
    if address::protocol(ctx) != u32::from(IPPROTO_UDP) {
        return Sent::AsIs;
    }
    let Some(found) = services::find(ctx, family, IPPROTO_UDP, asked) else {
        return Sent::AsIs;
    };
    let cookie = connections::cookie(ctx);
    if !address::is_connected(ctx) {
        // It may have been, and the kernel does not tell when that ends (`AF_UNSPEC`).
        connections::end_datagrams(cookie);
    }
    let one_packet = balance::is_one_packet(found.record);
    let now = persistence::now();
    let first = flows::at(cookie, 0);
    if first.is_some_and(|first| !flows::keep(first, now)) {
        return Sent::Not(ENOBUFS);
    }
    let known = first.and_then(|first| flows::to(first, cookie, asked));
    if !one_packet
        && let Some(flow) = known
        && let Some(server) = going_on(flow, &found, now)
    {
        flows::touch(flow, now);
        return Sent::To(server);
    }
    let mut origin = balance::unserved(&found, asked);
    match balance::balance(ctx, &found, &mut origin) {
        Verdict::Server(its) if its == family => {}
        // The kernel sends a datagram of an IPv6 socket to IPv6 addresses only, once it has begun.
        Verdict::Server(_) => return Sent::Not(ENETUNREACH),
        Verdict::Pass => return Sent::AsIs,
        Verdict::Fail(errno) => return Sent::Not(errno),
    }
    let server = Endpoint {
        address: origin.daddr,
        port: origin.dport,
    };
    let known = if one_packet {
        accounting::pass(&origin);
        flows::from(cookie, &server).filter(|flow| origin::asked(flows::origin_of(*flow)).is(asked))
    } else {
        if accounting::begin(&raw mut origin, false) {
            origin.counted = COUNTED_INACTIVE;
        }
        known
    };
    table::note_server(&server.address);
    let socket = Socket {
        cookie,
        address: address::socket(ctx) as u64,
    };
    if flows::begin(socket, first, known, &origin, now) {
        return Sent::To(server);
    }
    if origin.counted != UNCOUNTED {
        accounting::end(&origin);
    }
    Sent::Not(balance::ENOMEM)
}

/// The flow's server, if the next datagram still goes there.
#[inline(always)]
fn going_on(flow: *mut Flow, found: &Found, now: u64) -> Option<Endpoint> {
    // SAFETY: plain data within an entry.
    let last = unsafe { addr_of!((*flow).last).read_volatile() };
    // SAFETY: plain data within an entry, which is the socket's.
    let origin = unsafe { &*flows::origin_of(flow) };
    if origin.counted == UNCOUNTED
        || origin.service != found.index
        || origin.service_use != table::service_use(found.record)
        || now - last > flows::timeout(found.record)
    {
        return None;
    }
    if !persistence::is_available(table::destination_of(origin)?) {
        return None;
    }
    Some(origin::server(origin))
}

/// `recvmsg(2)` of an IPv4 socket.
#[inline(always)]
pub(crate) fn recvmsg4(ctx: &SockAddrContext) -> i32 {
    let from = address::read4(ctx);
    if table::may_be_server(&from.address)
        && let Some(asked) = asked_for(ctx, &from, &from)
    {
        address::write4(ctx, &asked);
    }
    PROCEED
}

/// `recvmsg(2)` of an IPv6 socket, from an IPv6 or an IPv4-mapped address.
#[inline(always)]
pub(crate) fn recvmsg6(ctx: &SockAddrContext) -> i32 {
    let from = address::read6(ctx);
    let (family, searched) = services::as_searched(&from);
    if table::may_be_server(&searched.address)
        && let Some(mut asked) = asked_for(ctx, &from, &searched)
    {
        if family == AF_INET && !address::is_v4_mapped(&asked.address) {
            asked.address = address::to_v4_mapped(asked.address[0]);
        }
        address::write6(ctx, &asked);
    }
    PROCEED
}

/// The virtual address that datagrams went to which this server may be answering: `server` as the
/// socket sees it, `searched` the same without IPv4 mapping.
#[inline(always)]
fn asked_for(ctx: &SockAddrContext, server: &Endpoint, searched: &Endpoint) -> Option<Endpoint> {
    let cookie = connections::cookie(ctx);
    if let Some(asked) = connections::asked_for(cookie, server) {
        return Some(asked);
    }
    let flow = flows::from(cookie, searched)?;
    Some(origin::asked(flows::origin_of(flow)))
}
