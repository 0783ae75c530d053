//! What is known of the datagrams that sockets sent to services without being connected: an entry for
//! each flow, by the socket's cookie and a place among the socket's flows. The places that are taken
//! are the first ones.
//!
//! All calls of one socket that get here run under its lock.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, BPF_NOEXIST},
    btf_maps::HashMap,
    macros::btf_map,
};
use sockvs_ebpf_common::{FLOWS as MOST, Flow, FlowKey, MAX_CONNECTIONS, Origin, UNCOUNTED};

use crate::{accounting, address::Endpoint, origin, words};

#[btf_map]
static FLOWS: HashMap<FlowKey, Flow, { MAX_CONNECTIONS as usize }, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();

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
    FLOWS.get_ptr_mut(&FlowKey { cookie, place })
}

/// The flow to a virtual address, the one that was used last.
#[inline(always)]
pub(crate) fn to(cookie: u64, asked: &Endpoint) -> Option<*mut Flow> {
    let first = at(cookie, 0)?;
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

/// A flow begins, in the place of this one, or in one of its own: the oldest one's, if there are too
/// many. What was there ends. False if there is no memory for it.
#[inline(always)]
pub(crate) fn begin(socket: Socket, known: Option<*mut Flow>, origin: &Origin, now: u64) -> bool {
    if let Some(flow) = known {
        begin_at(flow, origin, now);
        return true;
    }
    sockvs_begin_flow(socket, origin, now)
}

/// A function of its own, because there is no room for an entry beside what its callers have. (Not one
/// that the verifier goes through by itself: it would not be given where a socket is.)
#[inline(never)]
fn sockvs_begin_flow(Socket { cookie, address }: Socket, origin: &Origin, now: u64) -> bool {
    let first = at(cookie, 0);
    let before = first.map_or(0, begun);
    let place = before & (NOWHERE - 1);
    if let Some(flow) = at(cookie, place) {
        begin_at(flow, origin, now);
    } else {
        let flow = Flow {
            origin: *origin,
            last: now,
            begun: 1,
            socket: address,
            cookie,
        };
        let key = FlowKey { cookie, place };
        if FLOWS.insert(&key, &flow, BPF_NOEXIST.into()).is_err() {
            return false;
        }
    }
    // Only now: a place that was passed over would be the end of all that follow.
    if let Some(first) = first {
        // SAFETY: a field of an entry.
        unsafe { addr_of_mut!((*first).begun).write_volatile(before + 1) };
    }
    true
}

#[inline(always)]
fn begin_at(flow: *mut Flow, origin: &Origin, now: u64) {
    end_one(flow);
    // SAFETY: a part of an entry.
    words::copy(unsafe { addr_of_mut!((*flow).origin) }, origin);
    touch(flow, now);
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

/// The flow at this place ends, and is forgotten; zero if there is none. A function of its own for the
/// verifier's sake.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_end_flow(cookie: u64, place: u64) -> u32 {
    let Some(flow) = at(cookie, place) else {
        return 0;
    };
    end_one(flow);
    let _ = FLOWS.remove(&FlowKey { cookie, place });
    1
}

/// The flow ends, if it was counted.
#[inline(always)]
fn end_one(flow: *mut Flow) {
    // SAFETY: plain data within an entry.
    let origin = unsafe { &*addr_of!((*flow).origin) };
    if origin.counted == UNCOUNTED {
        return;
    }
    accounting::end(origin);
    // SAFETY: as above; the reference is not used any more.
    unsafe { addr_of_mut!((*flow).origin.counted).write_volatile(UNCOUNTED) };
}

/// How many flows the socket has ever begun, as its first one tells.
#[inline(always)]
fn begun(first: *mut Flow) -> u64 {
    // SAFETY: a field of an entry.
    unsafe { addr_of!((*first).begun).read_volatile() }
}

/// Whereto the flow is, and where it really goes.
#[inline(always)]
pub(crate) fn origin_of(flow: *mut Flow) -> *const Origin {
    // SAFETY: a part of an entry.
    unsafe { addr_of!((*flow).origin) }
}
