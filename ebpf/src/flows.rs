//! What is known of the datagrams that sockets sent to services without being connected: an entry
//! for each flow, by the socket's cookie and a place among the socket's flows. The places that are
//! taken are the first ones.
//!
//! All calls of one socket that get here run under its lock. `live` removes the flows of a socket
//! that has not used them for long, or that is gone. So that this is never in the way of a
//! datagram, the socket's first flow says when the socket last sent one (`used`), and that its
//! flows are being removed (`removing`): of the two that come together, at least one sees the
//! other, and then does nothing.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, BPF_NOEXIST},
    btf_maps::HashMap,
    macros::btf_map,
};
use sockvs_ebpf_common::{
    ConnTuple, FLOWS as MOST, Flow, FlowKey, MAX_FLOWS, REMOVING, Service, UNCOUNTED,
};

use crate::{accounting, address::Endpoint, counter, origin, shares, table, words};

#[btf_map]
static FLOWS: HashMap<FlowKey, Flow, { MAX_FLOWS as usize }, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();

/// How many entries `FLOWS` can have. The daemon sets it before the programs are loaded.
#[unsafe(no_mangle)]
static FLOWS_LIMIT: u32 = MAX_FLOWS;

/// What a new entry is.
// SAFETY: made of integers only.
static EMPTY: Flow = unsafe { core::mem::zeroed() };

/// How long after its time a flow is left alone.
const GRACE: u64 = 2_000_000_000;

/// A socket.
#[derive(Clone, Copy)]
pub(crate) struct Socket {
    /// Its cookie.
    pub(crate) cookie: u64,
    /// Where the kernel has it.
    pub(crate) address: u64,
}

/// No place among the flows. Places have the size of a register, because Linux 6.1 would forget the
/// bounds of a smaller number that comes from a function.
const NOWHERE: u64 = MOST as u64;

/// The flow at a place among those of the socket with this cookie.
#[inline(always)]
pub(crate) fn at(cookie: u64, place: u64) -> Option<*mut Flow> {
    FLOWS.get_ptr_mut(&FlowKey {
        cookie,
        index: place,
    })
}

/// The socket that has this flow as its first is about to send a datagram to a service: its flows
/// are in use from now on. False if they are being removed at this moment.
#[inline(always)]
pub(crate) fn keep(first: *mut Flow, now: u64) -> bool {
    // SAFETY: a field of an entry.
    counter::exchange(unsafe { addr_of_mut!((*first).used) }, now);
    // Only now, as told above.
    // SAFETY: as above; the word is read whole.
    unsafe { addr_of!((*first).removing).read_volatile() == 0 }
}

/// The flow to a virtual address, the one that was used last, of the socket that has this one as
/// its first.
#[inline(always)]
pub(crate) fn to(first: *mut Flow, cookie: u64, asked: &Endpoint) -> Option<*mut Flow> {
    // Most sockets have one.
    if begun(first) == 1 {
        return origin::asked(origin_of(first)).is(asked).then_some(first);
    }
    at(cookie, find(cookie, asked, 1))
}

/// The flow that a datagram from this server belongs to, the one that was used last.
#[inline(always)]
pub(crate) fn from(cookie: u64, server: &Endpoint) -> Option<*mut Flow> {
    let first = at(cookie, 0)?;
    if begun(first) == 1 {
        return origin::server(origin_of(first)).is(server).then_some(first);
    }
    at(cookie, find(cookie, server, 0))
}

#[inline(always)]
fn find(cookie: u64, end: &Endpoint, virtually: u32) -> u64 {
    let [a, b, c, d] = end.address;
    sockvs_find_flow(
        cookie,
        u64::from(a) << 32 | u64::from(b),
        u64::from(c) << 32 | u64::from(d),
        end.port.into(),
        virtually,
    )
}

/// Finds a flow by its virtual address or its server's: its place, or `NOWHERE`.
///
/// A function of its own, so that the verifier goes through the loop once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_find_flow(
    cookie: u64,
    upper: u64,
    lower: u64,
    port: u32,
    virtually: u32,
) -> u64 {
    let mut found = NOWHERE;
    let mut latest = 0;
    for place in 0..NOWHERE {
        let Some(flow) = at(cookie, place) else {
            break;
        };
        // SAFETY: a field of an entry.
        let last = unsafe { addr_of!((*flow).last).read_volatile() };
        if last <= latest {
            continue;
        }
        let end = if virtually != 0 {
            origin::asked(origin_of(flow))
        } else {
            origin::server(origin_of(flow))
        };
        let [a, b, c, d] = end.address;
        if u32::from(end.port) == port
            && (u64::from(a) << 32 | u64::from(b)) == upper
            && (u64::from(c) << 32 | u64::from(d)) == lower
        {
            found = place;
            latest = last;
        }
    }
    found
}

/// A flow begins, in the place of this one, or in one of its own: the oldest one's, if there are
/// too many. What was there ends. `first` is the socket's first flow. False if there is no memory
/// for it.
#[inline(always)]
pub(crate) fn begin(
    socket: Socket,
    first: Option<*mut Flow>,
    known: Option<*mut Flow>,
    origin: &ConnTuple,
    now: u64,
) -> bool {
    if let Some(flow) = known {
        begin_at(flow, origin, now);
        return true;
    }
    let first = first.unwrap_or(core::ptr::null_mut());
    sockvs_begin_flow(socket, first, origin, now)
}

/// A function of its own, because its callers have much on the stack. (Not one that the verifier
/// goes through by itself: it would not be given where a socket is.)
#[inline(never)]
fn sockvs_begin_flow(
    Socket { cookie, address }: Socket,
    first: *mut Flow,
    origin: &ConnTuple,
    now: u64,
) -> bool {
    // No more than five arguments can be passed, and an `Option` of it would be two.
    let before = if first.is_null() { 0 } else { begun(first) };
    let place = before & (NOWHERE - 1);
    let flow = if before < NOWHERE {
        let user = sockvs_alloc_flow(cookie, place);
        let Some(flow) = at(cookie, place).filter(|_| user != NO_USER) else {
            return false;
        };
        // SAFETY: a field of an entry.
        unsafe { addr_of_mut!((*flow).owner).write_volatile(user) };
        // SAFETY: as above.
        unsafe { addr_of_mut!((*flow).socket).write_volatile(address) };
        if before == 0 {
            // SAFETY: as above.
            unsafe { addr_of_mut!((*flow).started).write_volatile(1) };
            // SAFETY: as above.
            unsafe { addr_of_mut!((*flow).used).write_volatile(now) };
        }
        flow
    } else {
        let Some(flow) = at(cookie, place) else {
            return false;
        };
        end_one(flow);
        flow
    };
    fill_in(flow, origin, now);
    // Last: an entry without it is not looked at.
    // SAFETY: as above.
    counter::exchange(unsafe { addr_of_mut!((*flow).cookie) }, cookie);
    // Only now: a place that was passed over would be the end of all that follow.
    if !first.is_null() {
        // SAFETY: a field of an entry.
        unsafe { addr_of_mut!((*first).started).write_volatile(before + 1) };
    }
    true
}

#[inline(always)]
fn begin_at(flow: *mut Flow, origin: &ConnTuple, now: u64) {
    end_one(flow);
    fill_in(flow, origin, now);
}

#[inline(always)]
fn fill_in(flow: *mut Flow, origin: &ConnTuple, now: u64) {
    // SAFETY: a part of an entry.
    words::copy(unsafe { addr_of_mut!((*flow).tuple) }, origin);
    touch(flow, now);
}

/// No user has this number as an owner.
const NO_USER: u32 = u32::MAX;

/// Makes an entry at a place: whose share it takes, or `NO_USER` if there is no room, or that one
/// has all that may be had. A function of its own for the verifier's sake.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_alloc_flow(cookie: u64, place: u64) -> u32 {
    let user = shares::owner();
    // SAFETY: a valid, aligned static. Volatile, because its value is not the one written above.
    let limit = unsafe { addr_of!(FLOWS_LIMIT).read_volatile() };
    if !shares::take(shares::Of::Flows, user, limit) {
        return NO_USER;
    }
    let key = FlowKey {
        cookie,
        index: place,
    };
    if FLOWS.insert(&key, &EMPTY, BPF_NOEXIST.into()).is_err() {
        shares::give_back(shares::Of::Flows, user);
        return NO_USER;
    }
    user
}

/// A datagram was sent in the flow.
#[inline(always)]
pub(crate) fn touch(flow: *mut Flow, now: u64) {
    // SAFETY: a field of an entry.
    unsafe { addr_of_mut!((*flow).last).write_volatile(now) };
}

/// All flows of a socket end.
#[inline(always)]
pub(crate) fn end_all(cookie: u64) {
    for place in 0..NOWHERE {
        if sockvs_end_flow(cookie, place) == 0 {
            break;
        }
    }
}

/// The flow at this place ends, and is removed; zero if there is none. A function of its own for
/// the verifier's sake.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_end_flow(cookie: u64, place: u64) -> u32 {
    let Some(flow) = at(cookie, place) else {
        return 0;
    };
    end_one(flow);
    // SAFETY: a field of an entry.
    let user = unsafe { addr_of!((*flow).owner).read_volatile() };
    if FLOWS
        .remove(&FlowKey {
            cookie,
            index: place,
        })
        .is_ok()
    {
        shares::give_back(shares::Of::Flows, user);
    }
    1
}

/// The flow ends, if it was counted and has not ended yet.
#[inline(always)]
fn end_one(flow: *mut Flow) {
    // SAFETY: a field of an entry.
    let counted = unsafe { addr_of_mut!((*flow).tuple.counted) };
    if counter::exchange_half(counted, UNCOUNTED) != UNCOUNTED {
        // SAFETY: plain data within an entry.
        accounting::end(unsafe { &*addr_of!((*flow).tuple) });
    }
}

/// Removes the flows of the socket that has this one as its first, if none was used for as long as
/// its service says; of a socket that is gone, in any case.
#[inline(always)]
pub(crate) fn remove_idle(cookie: u64, first: *mut Flow, now: u64, gone: bool) {
    if !gone && !sockvs_is_idle(cookie, now) {
        return;
    }
    // SAFETY: a field of an entry.
    let removing = unsafe { addr_of_mut!((*first).removing) };
    if !counter::replace_half(removing, 0, REMOVING) {
        return;
    }
    if !gone && !sockvs_is_idle(cookie, now) {
        counter::exchange_half(removing, 0);
        return;
    }
    // The first one last: the others are found by way of it.
    for back in 1..=NOWHERE {
        sockvs_end_flow(cookie, NOWHERE - back);
    }
}

/// Whether the socket has sent no datagram to a service for so long that all its flows are over.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_is_idle(cookie: u64, now: u64) -> bool {
    let Some(first) = at(cookie, 0) else {
        return false;
    };
    // SAFETY: a field of an entry, read whole.
    let used = unsafe { addr_of!((*first).used).read_volatile() };
    for place in 0..NOWHERE {
        let Some(flow) = at(cookie, place) else {
            break;
        };
        // SAFETY: plain data within an entry.
        let service = table::service_of(unsafe { &*addr_of!((*flow).tuple) });
        if used + service.map_or(0, timeout) + GRACE > now {
            return false;
        }
    }
    true
}

/// Whether there are so many flows that room is to be made: half of what there may be.
#[inline(always)]
pub(crate) fn are_many() -> bool {
    // SAFETY: a valid, aligned static. Volatile, because its value is not the one written above.
    let limit = unsafe { addr_of!(FLOWS_LIMIT).read_volatile() };
    shares::flows() > limit / 2
}

/// For how long a service's flow goes on without a datagram, in nanoseconds.
#[inline(always)]
pub(crate) fn timeout(service: *mut Service) -> u64 {
    // SAFETY: a field within the record, read whole.
    unsafe { addr_of!((*service).udp_timeout).read_volatile() }
}

/// How many flows the socket has ever begun, as its first one tells.
#[inline(always)]
fn begun(first: *mut Flow) -> u64 {
    // SAFETY: a field of an entry.
    unsafe { addr_of!((*first).started).read_volatile() }
}

/// Whereto the flow is, and where it really goes.
#[inline(always)]
pub(crate) fn origin_of(flow: *mut Flow) -> *const ConnTuple {
    // SAFETY: a part of an entry.
    unsafe { addr_of!((*flow).tuple) }
}
