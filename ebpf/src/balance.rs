//! Scheduling a call to a service: `persistence` knows the client's previous destination,
//! `selection` chooses one; here the two are put together and the call's address is translated.
//! Nothing is counted or stored here.

use sockvs_ebpf_common::{
    AF_INET, AF_INET6, ConnTuple, FTP_PORT, SCHED_FWMARK, SCHED_ONE_PACKET, SCHED_PERSISTENT,
    UNCOUNTED,
};

use crate::{
    address::{self, Endpoint},
    maps, persistence,
    records::ServiceRef,
    selection::{self, NO_DESTINATION},
    services::Found,
    sock_addr::SockAddr,
    verdict::{ECONNREFUSED, ENETUNREACH, Verdict},
};

/// Which destinations a call can reach.
pub(crate) enum Reach {
    /// Those that its socket can. An IPv6 socket reaches an IPv4 server by its mapped address,
    /// unless it is IPv6-only; the kernel then fails the call with `ENETUNREACH` by itself.
    OfSocket,
    /// Those of this family.
    Family(u8),
}

/// The tuple of a call to a service that has no destination yet.
#[inline(always)]
pub(crate) fn unscheduled(service: &Found, requested: &Endpoint) -> ConnTuple {
    ConnTuple {
        vaddr: requested.address,
        daddr: [0; 4],
        vport: requested.port,
        dport: 0,
        destination: 0,
        service: service.index,
        counted: UNCOUNTED,
        client: [0; 4],
        destination_use: 0,
        service_use: service.record.use_number(),
    }
}

/// Gives the call a destination, and stores its address in `tuple` as the socket sees it.
#[inline(always)]
pub(crate) fn translate(
    call: SockAddr,
    service: &Found,
    tuple: &mut ConnTuple,
    reach: Reach,
) -> Verdict {
    let family = match schedule(call, service, tuple) {
        Ok(family) => family,
        Err(verdict) => return verdict,
    };
    match reach {
        Reach::OfSocket => {
            if call.is_inet6() {
                if family == AF_INET {
                    tuple.daddr = address::to_v4_mapped(tuple.daddr[0]);
                }
            } else if family == AF_INET6 {
                return Verdict::Fail(ENETUNREACH);
            }
        }
        Reach::Family(reached) => {
            if family != reached {
                return Verdict::Fail(ENETUNREACH);
            }
        }
    }
    Verdict::Translate(Endpoint {
        address: tuple.daddr,
        port: tuple.dport,
    })
}

/// Chooses a destination, and stores it in `tuple`, not IPv4-mapped. Its family; or the verdict if
/// there is none.
#[inline(always)]
fn schedule(call: SockAddr, service: &Found, tuple: &mut ConnTuple) -> Result<u8, Verdict> {
    let flags = service.record.params().flags();
    let (requested, own) = (tuple.vport, service.record.port());
    let persistent = flags & SCHED_PERSISTENT != 0;
    if !persistent && flags & SCHED_FWMARK == 0 && requested != own {
        // FTP data and services for all ports work with persistence only (`ip_vs_schedule`); other
        // connections to an address with an FTP service pass (`ip_vs_leave`).
        return Err(if own == FTP_PORT.to_be() {
            Verdict::Pass
        } else {
            Verdict::Fail(ECONNREFUSED)
        });
    }
    let mut index = NO_DESTINATION;
    if persistent {
        index = persistence::lookup(call, service, tuple);
    }
    if index == NO_DESTINATION {
        index = selection::choose(service.record, &call.client());
    }
    let Some(destination) = maps::destination_at(index) else {
        return Err(Verdict::Fail(ECONNREFUSED));
    };
    let server = destination.endpoint();
    tuple.destination = index;
    tuple.destination_use = destination.use_number();
    tuple.daddr = server.address;
    tuple.dport = server.port;
    if server.port == 0 || (persistent && requested != own) {
        tuple.dport = requested;
    }
    Ok(destination.family())
}

/// Whether each datagram to the service is scheduled by itself.
#[inline(always)]
pub(crate) fn is_one_packet(service: ServiceRef) -> bool {
    service.params().flags() & SCHED_ONE_PACKET != 0
}
