//! Flows: the datagrams between a socket that is not connected and a destination. The key of an
//! entry is the socket's cookie and an index among the socket's flows; the first indexes are the
//! ones in use.
//!
//! All calls of one socket that get here run under its lock. `live` removes the flows of a socket
//! that has not used them for long, or that is gone. So that this never delays a datagram, the
//! socket's first flow holds when the socket last sent one (`used`), and that its flows are being
//! removed (`removing`): of a sender and a walker that come together, at least one sees the other's
//! word, and gives up.

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, BPF_NOEXIST},
    btf_maps::HashMap,
    macros::btf_map,
};
use sockvs_ebpf_common::{
    ConnTuple, FLOWS as MAX_PER_SOCKET, Flow, FlowKey, MAX_FLOWS, REMOVING, UNCOUNTED,
};

use crate::{
    accounting,
    address::Endpoint,
    clock::GRACE,
    config, maps,
    records::FlowRef,
    shares::{self, Resource},
    socket::Socket,
};

#[btf_map]
static FLOWS: HashMap<FlowKey, Flow, { MAX_FLOWS as usize }, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();

/// How many entries `FLOWS` can have. The daemon sets it before the programs are loaded.
#[unsafe(no_mangle)]
static FLOWS_LIMIT: u32 = MAX_FLOWS;

/// What a new entry is.
// SAFETY: made of integers only.
static EMPTY: Flow = unsafe { core::mem::zeroed() };

/// The index of no flow. Indexes have the size of a register, because Linux 6.1 would lose the
/// bounds of a smaller number that a function returns.
const NO_FLOW: u64 = MAX_PER_SOCKET as u64;

/// The flow with this index among those of the socket with this cookie.
#[inline(always)]
pub(crate) fn at(cookie: u64, index: u64) -> Option<FlowRef> {
    let entry = FLOWS.get_ptr_mut(&FlowKey { cookie, index })?;
    // SAFETY: this is a look-up.
    Some(unsafe { FlowRef::new(entry) })
}

/// Marks the flows of the socket that has this first flow as in use: it is about to send a datagram
/// to a service. False if they are being removed at this moment.
#[inline(always)]
pub(crate) fn mark_used(first: FlowRef, now: u64) -> bool {
    first.used().swap(now);
    // After that, as explained above.
    first.removing().load() == 0
}

/// The flow to a virtual address, the one that was used last, of the socket that has this first
/// flow.
#[inline(always)]
pub(crate) fn lookup_virtual(first: FlowRef, cookie: u64, requested: &Endpoint) -> Option<FlowRef> {
    // Most sockets have one flow.
    if first.started() == 1 {
        return first
            .tuple()
            .virtual_endpoint()
            .equals(requested)
            .then_some(first);
    }
    at(cookie, lookup(cookie, requested, 1))
}

/// The flow that a datagram from this server belongs to, the one that was used last.
#[inline(always)]
pub(crate) fn lookup_server(cookie: u64, server: &Endpoint) -> Option<FlowRef> {
    let first = at(cookie, 0)?;
    if first.started() == 1 {
        return first.tuple().server().equals(server).then_some(first);
    }
    at(cookie, lookup(cookie, server, 0))
}

#[inline(always)]
fn lookup(cookie: u64, endpoint: &Endpoint, is_virtual: u32) -> u64 {
    let [a, b, c, d] = endpoint.address;
    sockvs_lookup_flow(
        cookie,
        u64::from(a) << 32 | u64::from(b),
        u64::from(c) << 32 | u64::from(d),
        endpoint.port.into(),
        is_virtual,
    )
}

/// Looks up a flow by its virtual address or its server's: its index, or `NO_FLOW`.
///
/// A global function: the verifier goes through the loop once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_lookup_flow(
    cookie: u64,
    upper: u64,
    lower: u64,
    port: u32,
    is_virtual: u32,
) -> u64 {
    let mut found = NO_FLOW;
    let mut latest = 0;
    for index in 0..NO_FLOW {
        let Some(flow) = at(cookie, index) else {
            break;
        };
        let last = flow.last();
        if last <= latest {
            continue;
        }
        let endpoint = if is_virtual != 0 {
            flow.tuple().virtual_endpoint()
        } else {
            flow.tuple().server()
        };
        let [a, b, c, d] = endpoint.address;
        if u32::from(endpoint.port) == port
            && (u64::from(a) << 32 | u64::from(b)) == upper
            && (u64::from(c) << 32 | u64::from(d)) == lower
        {
            found = index;
            latest = last;
        }
    }
    found
}

/// Starts a flow: in the entry of the `known` one, which ends, or in a new entry; if the socket has
/// too many, in that of its oldest, which ends. `first` is the socket's first flow. False if there
/// is no memory for it.
#[inline(always)]
pub(crate) fn start(
    socket: Socket,
    first: Option<FlowRef>,
    known: Option<FlowRef>,
    tuple: &ConnTuple,
    now: u64,
) -> bool {
    if let Some(flow) = known {
        unbind(flow);
        init_entry(flow, tuple, now);
        return true;
    }
    let first = first.map_or(core::ptr::null_mut(), FlowRef::as_ptr);
    sockvs_start_flow(socket, first, tuple, now)
}

/// Not inlined, because its callers use much stack. (Not global either: the verifier would not know
/// that the socket's address may be passed.)
#[inline(never)]
fn sockvs_start_flow(
    Socket { cookie, address }: Socket,
    first: *mut Flow,
    tuple: &ConnTuple,
    now: u64,
) -> bool {
    // At most five registers can be passed, and an `Option` would take two.
    // SAFETY: the caller passes null or what `as_ptr` returned.
    let first = unsafe { FlowRef::from_argument(first) };
    let started = first.map_or(0, FlowRef::started);
    let index = started & (NO_FLOW - 1);
    let flow = if started < NO_FLOW {
        let user = sockvs_alloc_flow(cookie, index);
        let Some(flow) = at(cookie, index).filter(|_| user != NO_USER) else {
            return false;
        };
        flow.set_owner(user);
        flow.set_socket(address);
        if started == 0 {
            flow.set_started(1);
            flow.used().store(now);
        }
        flow
    } else {
        let Some(flow) = at(cookie, index) else {
            return false;
        };
        unbind(flow);
        flow
    };
    init_entry(flow, tuple, now);
    // Last: a walker ignores an entry without it.
    flow.cookie().swap(cookie);
    // After that: a search ends at the first index without an entry.
    if let Some(first) = first {
        first.set_started(started + 1);
    }
    true
}

#[inline(always)]
fn init_entry(flow: FlowRef, tuple: &ConnTuple, now: u64) {
    flow.tuple().write(tuple);
    flow.touch(now);
}

/// No user has this number as an owner.
const NO_USER: u32 = u32::MAX;

/// Allocates an entry: the owner whose share it uses, or `NO_USER` if the map is full or the
/// owner's share is used up. A global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_alloc_flow(cookie: u64, index: u64) -> u32 {
    let user = shares::owner();
    if !shares::charge(Resource::Flows, user, config::get(&FLOWS_LIMIT)) {
        return NO_USER;
    }
    let key = FlowKey { cookie, index };
    if FLOWS.insert(&key, &EMPTY, BPF_NOEXIST.into()).is_err() {
        shares::uncharge(Resource::Flows, user);
        return NO_USER;
    }
    user
}

/// Ends and removes all flows of a socket.
#[inline(always)]
pub(crate) fn remove_all(cookie: u64) {
    for index in 0..NO_FLOW {
        if sockvs_remove_flow(cookie, index) == 0 {
            break;
        }
    }
}

/// Ends and removes the flow with this index; zero if there is none. A global function, which the
/// verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_remove_flow(cookie: u64, index: u64) -> u32 {
    let Some(flow) = at(cookie, index) else {
        return 0;
    };
    unbind(flow);
    let user = flow.owner();
    if FLOWS.remove(&FlowKey { cookie, index }).is_ok() {
        shares::uncharge(Resource::Flows, user);
    }
    1
}

/// Ends the flow, if it is counted.
#[inline(always)]
fn unbind(flow: FlowRef) {
    if flow.tuple().counted().swap(UNCOUNTED) != UNCOUNTED {
        accounting::unbind(flow.tuple().as_ref());
    }
}

/// Removes the flows of the socket that has this first flow, if all have timed out; those of a
/// socket that is gone, in any case.
#[inline(always)]
pub(crate) fn remove_idle(cookie: u64, first: FlowRef, now: u64, gone: bool) {
    if !gone && !sockvs_is_idle(cookie, now) {
        return;
    }
    let removing = first.removing();
    if !removing.compare_exchange(0, REMOVING) {
        return;
    }
    // The kernel may have reused the entry's memory for another socket's flow, once another walker
    // had removed this one.
    if first.cookie().load() != cookie || (!gone && !sockvs_is_idle(cookie, now)) {
        removing.swap(0);
        return;
    }
    // The first one last: the others are found through it.
    for back in 1..=NO_FLOW {
        sockvs_remove_flow(cookie, NO_FLOW - back);
    }
}

/// Whether the socket has sent no datagram to a service for so long that all its flows have timed
/// out.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_is_idle(cookie: u64, now: u64) -> bool {
    let Some(first) = at(cookie, 0) else {
        return false;
    };
    let used = first.used().load();
    for index in 0..NO_FLOW {
        let Some(flow) = at(cookie, index) else {
            break;
        };
        let service = maps::service_of(flow.tuple().as_ref());
        if used + service.map_or(0, |service| service.udp_timeout()) + GRACE > now {
            return false;
        }
    }
    true
}

/// Whether idle flows are to be removed: when half of what there may be is in use.
#[inline(always)]
pub(crate) fn are_many() -> bool {
    let limit = config::get(&FLOWS_LIMIT);
    shares::flows() > limit / 2
}
