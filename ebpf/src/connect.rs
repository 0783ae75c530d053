//! `connect(2)`: a connection to a virtual address goes to a server instead.
//!
//! TCP only, for now. An address that is no service is left as it is.

use aya_ebpf::{helpers::bpf_set_retval, programs::SockAddrContext};
use sockvs_ebpf_common::{AF_INET, AF_INET6, IPPROTO_TCP, Origin, Service, ServiceKey, UNCOUNTED};

use crate::{
    PROCEED, REFUSE,
    address::{self, Endpoint},
    origin,
    selection::{self, Choice},
    table,
};

/// No destination of the service can be used: as if nobody listened.
const ECONNREFUSED: i32 = 111;
/// The server has an address that this socket cannot reach.
const ENETUNREACH: i32 = 101;

/// The cookie of the namespace whose services hold everywhere, or zero. The daemon sets it before
/// the programs are loaded; the verifier then sees a constant.
#[unsafe(no_mangle)]
static NODE_WIDE: u64 = 0;

#[inline(always)]
fn node_wide() -> u64 {
    // SAFETY: a valid, aligned static. Volatile, because its value is not the one written here.
    unsafe { core::ptr::addr_of!(NODE_WIDE).read_volatile() }
}

/// `connect(2)` of an IPv4 socket.
#[inline(always)]
pub(crate) fn connect4(ctx: &SockAddrContext) -> i32 {
    if address::protocol(ctx) != u32::from(IPPROTO_TCP) {
        return PROCEED;
    }
    let asked = address::read4(ctx);
    let Some((index, service)) = find(ctx, AF_INET, &asked) else {
        origin::forget(ctx);
        return PROCEED;
    };
    let Some(choice) = selection::choose(service, &address::client(ctx)) else {
        return refuse(ECONNREFUSED);
    };
    if choice.family != AF_INET {
        return refuse(ENETUNREACH);
    }
    let server = with_port(choice.server, asked.port);
    address::write4(ctx, &server);
    sent(ctx, index, &choice, &asked, &server)
}

/// `connect(2)` of an IPv6 socket.
#[inline(always)]
pub(crate) fn connect6(ctx: &SockAddrContext) -> i32 {
    if address::protocol(ctx) != u32::from(IPPROTO_TCP) {
        return PROCEED;
    }
    let asked = address::read6(ctx);
    // One search for both families: the verifier, too, then goes through it once.
    let (family, searched) = if address::is_v4_mapped(&asked.address) {
        (AF_INET, [asked.address[3], 0, 0, 0])
    } else {
        (AF_INET6, asked.address)
    };
    let searched = Endpoint {
        address: searched,
        port: asked.port,
    };
    let Some((index, service)) = find(ctx, family, &searched) else {
        origin::forget(ctx);
        return PROCEED;
    };
    let Some(choice) = selection::choose(service, &address::client(ctx)) else {
        return refuse(ECONNREFUSED);
    };
    let mut server = with_port(choice.server, asked.port);
    if choice.family == AF_INET {
        // An IPv6 socket reaches an IPv4 server by its mapped address, unless it is IPv6-only; the
        // kernel then answers ENETUNREACH by itself.
        server.address = address::to_v4_mapped(server.address[0]);
    }
    address::write6(ctx, &server);
    sent(ctx, index, &choice, &asked, &server)
}

#[inline(always)]
fn find(ctx: &SockAddrContext, family: u8, asked: &Endpoint) -> Option<(u32, *mut Service)> {
    let mut key = ServiceKey {
        netns: address::netns(ctx),
        address: asked.address,
        port: asked.port,
        protocol: IPPROTO_TCP,
        family,
        zero: 0,
    };
    let own = table::service(&key);
    let node_wide = node_wide();
    if own.is_some() || node_wide == 0 {
        return own;
    }
    key.netns = node_wide;
    table::service(&key)
}

#[inline(always)]
fn with_port(mut server: Endpoint, asked: u16) -> Endpoint {
    if server.port == 0 {
        server.port = asked;
    }
    server
}

#[inline(always)]
fn sent(
    ctx: &SockAddrContext,
    service: u32,
    choice: &Choice,
    asked: &Endpoint,
    server: &Endpoint,
) -> i32 {
    origin::remember(
        ctx,
        Origin {
            virtual_address: asked.address,
            server_address: server.address,
            virtual_port: asked.port,
            server_port: server.port,
            destination: choice.destination,
            service,
            counted: UNCOUNTED,
        },
    );
    PROCEED
}

#[inline(always)]
fn refuse(errno: i32) -> i32 {
    // SAFETY: the helper takes any error number.
    unsafe { bpf_set_retval(-errno) };
    REFUSE
}
