//! `connect(2)`: a connection to a virtual address goes to a server instead, whether it is one of
//! TCP or of UDP. An address that is no service is left as it is.

use aya_ebpf::programs::SockAddrContext;
use sockvs_ebpf_common::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP};

use crate::{
    PROCEED,
    address::{self, Endpoint},
    balance::{self, ENETUNREACH, Verdict},
    connections, services,
};

/// `connect(2)` of an IPv4 socket.
#[inline(always)]
pub(crate) fn connect4(ctx: &SockAddrContext) -> i32 {
    let asked = address::read4(ctx);
    match server(ctx, AF_INET, &asked, &asked) {
        Connect::To(server) => address::write4(ctx, &server),
        Connect::AsIs => {}
        Connect::Not(errno) => return balance::refuse(errno),
    }
    PROCEED
}

/// `connect(2)` of an IPv6 socket, to an IPv6 or an IPv4-mapped address.
#[inline(always)]
pub(crate) fn connect6(ctx: &SockAddrContext) -> i32 {
    let asked = address::read6(ctx);
    // One search for both families: the verifier, too, then goes through it once.
    let (family, searched) = services::as_searched(&asked);
    match server(ctx, family, &asked, &searched) {
        Connect::To(server) => address::write6(ctx, &server),
        Connect::AsIs => {}
        Connect::Not(errno) => return balance::refuse(errno),
    }
    PROCEED
}

/// What becomes of a connection.
enum Connect {
    /// It goes to a server.
    To(Endpoint),
    /// It goes where it was meant to go.
    AsIs,
    /// It fails with this error.
    Not(i32),
}

/// `asked` is what the socket asked for, `searched` the same without IPv4 mapping.
#[inline(always)]
fn server(ctx: &SockAddrContext, family: u8, asked: &Endpoint, searched: &Endpoint) -> Connect {
    const TCP: u32 = IPPROTO_TCP as u32;
    const UDP: u32 = IPPROTO_UDP as u32;
    let protocol = match address::protocol(ctx) {
        TCP => IPPROTO_TCP,
        UDP => IPPROTO_UDP,
        _ => return Connect::AsIs,
    };
    let is_udp = protocol == IPPROTO_UDP;
    let Some(found) = services::find(ctx, family, protocol, searched) else {
        leave(ctx, is_udp);
        return Connect::AsIs;
    };
    let mut origin = balance::unserved(&found, asked);
    let server = match balance::balance(ctx, &found, &mut origin) {
        Verdict::Server(family) => family,
        Verdict::Pass => {
            leave(ctx, is_udp);
            return Connect::AsIs;
        }
        Verdict::Fail(errno) => return Connect::Not(errno),
    };
    if address::is_inet6(ctx) {
        if server == AF_INET {
            // An IPv6 socket reaches an IPv4 server by its mapped address, unless it is IPv6-only;
            // the kernel then answers ENETUNREACH by itself.
            origin.daddr = address::to_v4_mapped(origin.daddr[0]);
        }
    } else if server == AF_INET6 {
        return Connect::Not(ENETUNREACH);
    }
    let server = Endpoint {
        address: origin.daddr,
        port: origin.dport,
    };
    if is_udp {
        // There will be no word of its beginning, but of its end.
        connections::begin_datagrams(ctx, &origin);
    } else {
        connections::remember(ctx, &origin);
    }
    Connect::To(server)
}

/// The socket goes past services. What may be known of an earlier attempt of TCP is found out when
/// the connection begins: most sockets make no other.
#[inline(always)]
fn leave(ctx: &SockAddrContext, is_udp: bool) {
    if is_udp {
        connections::end_datagrams(connections::cookie(ctx));
    }
}
