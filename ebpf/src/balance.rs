//! What becomes of a call to a service: on the service's terms it gets a server.

use core::ptr::addr_of;

use aya_ebpf::{helpers::bpf_set_retval, programs::SockAddrContext};
use sockvs_ebpf_common::{
    ConnTuple, FTP_PORT, SCHED_FWMARK, SCHED_ONE_PACKET, SCHED_PERSISTENT, SchedParams, Service,
    UNCOUNTED,
};

use crate::{
    REFUSE,
    address::{self, Endpoint},
    persistence, selection,
    services::Found,
    table,
};

/// No destination of the service can be used: as if nobody listened.
const ECONNREFUSED: i32 = 111;
/// There is no memory to remember the datagram's server.
pub(crate) const ENOMEM: i32 = 12;
/// The server has an address that this socket cannot reach.
pub(crate) const ENETUNREACH: i32 = 101;

/// What becomes of a call.
pub(crate) enum Verdict {
    /// It goes to a server of this family.
    Server(u8),
    /// It is not the service's business after all.
    Pass,
    /// It fails with this error.
    Fail(i32),
}

/// What a socket is to remember that asked for this address, before it has a server.
#[inline(always)]
pub(crate) fn unserved(found: &Found, asked: &Endpoint) -> ConnTuple {
    ConnTuple {
        vaddr: asked.address,
        daddr: [0; 4],
        vport: asked.port,
        dport: 0,
        destination: 0,
        service: found.index,
        counted: UNCOUNTED,
        client: [0; 4],
        destination_use: 0,
        service_use: table::service_use(found.record),
    }
}

/// Gives the call a server, which is noted in `origin`, not IPv4-mapped.
#[inline(always)]
pub(crate) fn balance(ctx: &SockAddrContext, found: &Found, origin: &mut ConnTuple) -> Verdict {
    let flags = flags(terms(found.record));
    let (asked, own) = (origin.vport, own_port(found.record));
    let persistent = flags & SCHED_PERSISTENT != 0;
    if !persistent && flags & SCHED_FWMARK == 0 && asked != own {
        // Data of FTP, and all ports, are for persistent services only (`ip_vs_schedule`); other
        // connections to an address with FTP are let through (`ip_vs_leave`).
        return if own == FTP_PORT.to_be() {
            Verdict::Pass
        } else {
            Verdict::Fail(ECONNREFUSED)
        };
    }
    let index = if persistent {
        persistence::choose(ctx, found, origin)
    } else {
        selection::choose(found.record, &address::client(ctx))
    };
    let Some(choice) = selection::chosen(index) else {
        return Verdict::Fail(ECONNREFUSED);
    };
    origin.destination = index;
    origin.destination_use = choice.use_number;
    origin.daddr = choice.server.address;
    origin.dport = choice.server.port;
    if choice.server.port == 0 || (persistent && asked != own) {
        origin.dport = asked;
    }
    Verdict::Server(choice.family)
}

/// Whether each datagram to the service gets a server of its own.
#[inline(always)]
pub(crate) fn is_one_packet(service: *mut Service) -> bool {
    flags(terms(service)) & SCHED_ONE_PACKET != 0
}

/// Lets the call fail.
#[inline(always)]
pub(crate) fn refuse(errno: i32) -> i32 {
    // SAFETY: the helper takes any error number.
    unsafe { bpf_set_retval(-errno) };
    REFUSE
}

/// The terms in force.
#[inline(always)]
pub(crate) fn terms(service: *mut Service) -> *const SchedParams {
    // SAFETY: chunks are never freed, and the word is read whole.
    let generation = unsafe { addr_of!((*service).generation).read_volatile() };
    // SAFETY: both are within the record.
    let both = unsafe { addr_of!((*service).params) }.cast::<SchedParams>();
    // SAFETY: the index is zero or one.
    unsafe { both.add((generation & 1) as usize) }
}

#[inline(always)]
fn flags(terms: *const SchedParams) -> u32 {
    // SAFETY: a field within the record, read whole.
    unsafe { addr_of!((*terms).flags).read_volatile() }
}

/// The service's port, network order.
#[inline(always)]
fn own_port(service: *mut Service) -> u16 {
    // SAFETY: a field within the record, read whole.
    unsafe { addr_of!((*service).key.port).read_volatile() }
}
