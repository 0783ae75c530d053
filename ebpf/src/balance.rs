//! What becomes of a call to a service: on the service's terms it gets a server.

use core::ptr::addr_of;

use aya_ebpf::{helpers::bpf_set_retval, programs::SockAddrContext};
use sockvs_ebpf_common::{
    AddressWords, FTP_PORT, Origin, Service, TERMS_FWMARK, TERMS_ONE_PACKET, TERMS_PERSISTENT,
    Terms,
};

use crate::{
    REFUSE,
    address::{self, Endpoint},
    persistence::{self, Refusal},
    selection::{self, Choice},
    services::Found,
};

/// No destination of the service can be used: as if nobody listened.
const ECONNREFUSED: i32 = 111;
/// There is no memory to remember the client's server.
pub(crate) const ENOMEM: i32 = 12;
/// The server has an address that this socket cannot reach.
pub(crate) const ENETUNREACH: i32 = 101;

/// What becomes of a call.
pub(crate) enum Verdict {
    /// It goes to this server.
    Server(Chosen),
    /// It is not the service's business after all.
    Pass,
    /// It fails with this error.
    Fail(i32),
}

/// A server for a call.
pub(crate) struct Chosen {
    /// The server. Port zero means the port that was asked for.
    pub(crate) choice: Choice,
    /// The client as in the key of the template that gave it this server; zero if none did.
    client: AddressWords,
}

impl Chosen {
    /// What the socket is to remember.
    #[inline(always)]
    pub(crate) fn origin(&self, found: &Found, asked: &Endpoint, counted: u32) -> Origin {
        let server = self.choice.server;
        Origin {
            virtual_address: asked.address,
            server_address: server.address,
            virtual_port: asked.port,
            server_port: if server.port == 0 {
                asked.port
            } else {
                server.port
            },
            destination: self.choice.destination,
            service: found.index,
            counted,
            client: self.client,
        }
    }
}

/// Gives the call a server.
#[inline(always)]
pub(crate) fn balance(ctx: &SockAddrContext, found: &Found, asked: &Endpoint) -> Verdict {
    let flags = flags(terms(found.record));
    let port = own_port(found.record);
    if flags & TERMS_PERSISTENT != 0 {
        return match persistence::choose(ctx, found, asked) {
            Ok((mut choice, client)) => {
                if asked.port != port {
                    choice.server.port = asked.port;
                }
                Verdict::Server(Chosen { choice, client })
            }
            Err(Refusal::NoServer) => Verdict::Fail(ECONNREFUSED),
            Err(Refusal::NoMemory) => Verdict::Fail(ENOMEM),
        };
    }
    if flags & TERMS_FWMARK == 0 && asked.port != port {
        // Data of FTP, and all ports, are for persistent services only (`ip_vs_schedule`); other
        // connections to an address with FTP are let through (`ip_vs_leave`).
        return if port == FTP_PORT.to_be() {
            Verdict::Pass
        } else {
            Verdict::Fail(ECONNREFUSED)
        };
    }
    match selection::choose(found.record, &address::client(ctx)) {
        Some(choice) => Verdict::Server(Chosen {
            choice,
            client: [0; 4],
        }),
        None => Verdict::Fail(ECONNREFUSED),
    }
}

/// Whether each datagram to the service gets a server of its own.
#[inline(always)]
pub(crate) fn is_one_packet(service: *mut Service) -> bool {
    flags(terms(service)) & TERMS_ONE_PACKET != 0
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
pub(crate) fn terms(service: *mut Service) -> *const Terms {
    // SAFETY: chunks are never freed, and the word is read whole.
    let generation = unsafe { addr_of!((*service).generation).read_volatile() };
    // SAFETY: both are within the record.
    let both = unsafe { addr_of!((*service).terms) }.cast::<Terms>();
    // SAFETY: the index is zero or one.
    unsafe { both.add((generation & 1) as usize) }
}

#[inline(always)]
fn flags(terms: *const Terms) -> u32 {
    // SAFETY: a field within the record, read whole.
    unsafe { addr_of!((*terms).flags).read_volatile() }
}

/// The service's port, network order.
#[inline(always)]
fn own_port(service: *mut Service) -> u16 {
    // SAFETY: a field within the record, read whole.
    unsafe { addr_of!((*service).key.port).read_volatile() }
}
