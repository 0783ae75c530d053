//! `connect(2)`: a connection to a service goes to one of its destinations, whether it is one of
//! TCP or of UDP. An address that is no service's stays as it is.

use sockvs_ebpf_common::{AF_INET, IPPROTO_TCP, IPPROTO_UDP};

use crate::{
    address::Endpoint,
    balance::{self, Reach},
    connections, services,
    sock_addr::SockAddr,
    socket,
    verdict::Verdict,
};

/// `connect(2)` of an IPv4 socket.
#[inline(always)]
pub(crate) fn connect4(call: SockAddr) -> i32 {
    let requested = call.endpoint4();
    connect(call, AF_INET, &requested, &requested).report4(call)
}

/// `connect(2)` of an IPv6 socket, to an IPv6 or an IPv4-mapped address.
#[inline(always)]
pub(crate) fn connect6(call: SockAddr) -> i32 {
    let requested = call.endpoint6();
    // One look-up for both families: the verifier, too, then goes through it once.
    let (family, unmapped) = requested.unmapped();
    connect(call, family, &requested, &unmapped).report6(call)
}

/// `requested` is the call's address, `unmapped` the same without IPv4 mapping.
#[inline(always)]
fn connect(call: SockAddr, family: u8, requested: &Endpoint, unmapped: &Endpoint) -> Verdict {
    const TCP: u32 = IPPROTO_TCP as u32;
    const UDP: u32 = IPPROTO_UDP as u32;
    let protocol = match call.protocol() {
        TCP => IPPROTO_TCP,
        UDP => IPPROTO_UDP,
        _ => return Verdict::Pass,
    };
    let is_udp = protocol == IPPROTO_UDP;
    let Some(service) = services::lookup(call, family, protocol, unmapped) else {
        bypass(call, is_udp);
        return Verdict::Pass;
    };
    let mut tuple = balance::unscheduled(&service, requested);
    let verdict = balance::translate(call, &service, &mut tuple, Reach::OfSocket);
    match verdict {
        // UDP has no event for the start of a connection, only for its end.
        Verdict::Translate(_) if is_udp => connections::udp_connected(call, &tuple),
        Verdict::Translate(_) => connections::insert_tcp(call, &tuple),
        Verdict::Pass => bypass(call, is_udp),
        Verdict::Fail(_) => {}
    }
    verdict
}

/// The socket connects to no service. An entry of an earlier TCP attempt is found when the
/// connection begins: most sockets make only one attempt.
#[inline(always)]
fn bypass(call: SockAddr, is_udp: bool) {
    if is_udp {
        connections::udp_disconnected(socket::cookie(&call));
    }
}
