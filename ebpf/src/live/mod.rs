//! The connections that are open, and the flows of datagrams: looks at some of them each time that
//! the daemon asks. What TCP connections have carried since they were last looked at is added to
//! the counters, and each connection is told to the daemon.
//!
//! Entries whose socket is gone, though no program was told, are freed here: those of sockets that
//! the kernel made for itself (MPTCP, NFS), whose release no program sees. So are the flows of
//! sockets that do not use them any more.
//!
//! The programs are attached to nothing. The daemon runs them itself (`BPF_PROG_TEST_RUN`), which
//! any kernel allows that loads raw tracepoints; BPF iterators would be for that, but kernels that
//! allow no tracing programs have none. The sockets go on working meanwhile. What is told of one
//! may be a moment old.

mod templates;

use core::{
    ffi::c_void,
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::{btf_maps::Array, macros::btf_map, programs::RawTracePointContext};
use sockvs_ebpf_common::{
    CLOSED, CONNECTIONS_PER_GROUP, COUNT_MASK, COUNTED_ACTIVE, ConnTuple, Connection,
    FREE_WHEN_READ, FlowKey, IPPROTO_TCP, LIVE_CONNECTED, LIVE_FLOW, LiveConnection, MAX_WALKERS,
    READ_LOCKED, TcpCounters, UNCOUNTED, WALK_BATCH, WalkKeys, WalkResult,
};

use crate::{accounting, connections, counter, flows, persistence, settled, socket, words};

/// Not pinned, as the other map: they are of the daemon that asks.
#[btf_map]
static WALK_KEYS: Array<WalkKeys, { MAX_WALKERS as usize }> = Array::new();

#[btf_map]
static WALK_RESULT: Array<WalkResult, { MAX_WALKERS as usize }> = Array::new();

/// How often it is tried to keep a connection whose state changes at that moment.
const TRIES: u32 = 4;

/// Looks at a group of `CONNECTIONS`. Arguments: the walker and the group.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/connections")]
pub(crate) extern "C" fn sockvs_walk_connections(ctx: *mut c_void) -> u32 {
    let (walker, group) = arguments(ctx);
    let mut told = 0;
    for nth in 0..CONNECTIONS_PER_GROUP {
        told += sockvs_visit(
            walker,
            told,
            group.wrapping_mul(CONNECTIONS_PER_GROUP) + nth,
        );
    }
    told
}

/// Looks at entries of `OVERFLOW`. Arguments: the walker, and how many there are in its
/// `WALK_KEYS`.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/overflow")]
pub(crate) extern "C" fn sockvs_walk_overflow(ctx: *mut c_void) -> u32 {
    let (walker, keys) = arguments(ctx);
    let mut told = 0;
    for nth in 0..WALK_BATCH {
        if nth >= keys {
            break;
        }
        told += sockvs_visit_overflow(walker, told, nth);
    }
    told
}

/// Looks at entries of `FLOWS`. Arguments as for `OVERFLOW`.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/flows")]
pub(crate) extern "C" fn sockvs_walk_flows(ctx: *mut c_void) -> u32 {
    let (walker, keys) = arguments(ctx);
    let mut told = 0;
    for nth in 0..WALK_BATCH {
        if nth >= keys {
            break;
        }
        told += sockvs_visit_flow(walker, told, nth);
    }
    told
}

#[inline(always)]
fn arguments(ctx: *mut c_void) -> (u32, u32) {
    let ctx = RawTracePointContext::new(ctx);
    (ctx.arg::<u64>(0) as u32, ctx.arg::<u64>(1) as u32)
}

/// The `nth` key of a walker.
#[inline(always)]
fn key(walker: u32, nth: u32) -> Option<FlowKey> {
    if nth >= WALK_BATCH {
        return None;
    }
    let keys = WALK_KEYS.get_ptr(walker)?;
    // SAFETY: a part of a value of the map.
    let first = unsafe { addr_of!((*keys).keys) }.cast::<FlowKey>();
    // SAFETY: the index is below what there is.
    let key = unsafe { first.add(nth as usize) };
    // SAFETY: as above.
    Some(unsafe { key.read_volatile() })
}

/// Where the `nth` connection is to be told; all of it is zero.
#[inline(always)]
fn result(walker: u32, nth: u32) -> Option<&'static mut LiveConnection> {
    if nth >= WALK_BATCH {
        return None;
    }
    let result = WALK_RESULT.get_ptr_mut(walker)?;
    // SAFETY: a part of a value of the map.
    let first = unsafe { addr_of_mut!((*result).connections) }.cast::<LiveConnection>();
    // SAFETY: the index is below what there is.
    let live = unsafe { first.add(nth as usize) };
    words::clear(live);
    // SAFETY: as above; only the walker's own runs have it.
    Some(unsafe { &mut *live })
}

/// Looks at the entry with this index, and tells of it as the `told`th: the number of connections
/// told. A function of its own for the verifier's sake, as those that follow.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_visit(walker: u32, told: u32, index: u32) -> u32 {
    let Some(connection) = connections::at(index) else {
        return 0;
    };
    match connections::owner(connection) {
        0 => 0,
        cookie => visit(walker, told, connection, cookie),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_visit_overflow(walker: u32, told: u32, nth: u32) -> u32 {
    let Some(FlowKey { cookie, .. }) = key(walker, nth) else {
        return 0;
    };
    match connections::overflow(cookie) {
        Some(connection) => visit(walker, told, connection, cookie),
        None => 0,
    }
}

#[inline(always)]
fn visit(walker: u32, told: u32, connection: *mut Connection, cookie: u64) -> u32 {
    let word = connections::word(connection);
    // SAFETY: a field of an entry, read whole.
    let counted = unsafe { word.read_volatile() };
    if counted & COUNT_MASK == UNCOUNTED {
        remove_gone(connection, cookie, counted);
        return 0;
    }
    let Some(live) = result(walker, told) else {
        return 0;
    };
    if !keep(word) {
        return 0;
    }
    // It may have become another's before it was kept.
    let kept = connections::owner(connection);
    let open = kept == cookie && look(connection, cookie, live);
    if counter::add_half(word, 0u32.wrapping_sub(READ_LOCKED)) & FREE_WHEN_READ != 0 {
        connections::free(kept);
    }
    open.into()
}

/// Frees an entry that is not counted, if its socket is gone. Such a socket never had another
/// cookie, and none gets this one, so the entry is still its.
#[inline(always)]
fn remove_gone(connection: *mut Connection, cookie: u64, counted: u32) {
    let sk = connections::socket(connection);
    if counted == UNCOUNTED
        && !sk.is_null()
        && connections::owner(connection) == cookie
        && !socket::is_alive(sk, cookie)
    {
        connections::free(cookie);
    }
}

/// Sees to it that an entry stays, if it is of a connection that goes on.
#[inline(always)]
fn keep(word: *mut u32) -> bool {
    for _ in 0..TRIES {
        // SAFETY: a field of an entry, read whole.
        let counted = unsafe { word.read_volatile() };
        if counted & COUNT_MASK == UNCOUNTED || counted & !COUNT_MASK != 0 {
            return false;
        }
        if counter::replace_half(word, counted, counted | READ_LOCKED) {
            return true;
        }
    }
    false
}

/// Brings the counters up to date, and fills in the record; false if the connection has ended.
#[inline(always)]
fn look(connection: *mut Connection, cookie: u64, live: &mut LiveConnection) -> bool {
    // SAFETY: an entry that is kept.
    copy_origin(live, unsafe { addr_of!((*connection).tuple) });
    live.tuple.counted &= COUNT_MASK;
    live.kind = LIVE_CONNECTED;
    live.cookie = cookie;
    let sk = connections::socket(connection);
    let old: TcpCounters = settled::so_far(connection);
    socket::describe(sk, live);
    if live.protocol == u16::from(IPPROTO_TCP) {
        socket::carried(sk, &mut live.counters);
    }
    // Only now: had it ended before, this would be of no socket, or of another one.
    let alive = socket::is_alive(sk, cookie);
    if connections::counted(connection) & CLOSED != 0 {
        return false;
    }
    if !alive {
        end_gone(connection, live.tuple.counted);
        return false;
    }
    // Nothing is known of what one of UDP carries, and that is what is settled of it, too.
    let more = settled::go_on(connection, &old, &live.counters);
    accounting::carried(&live.tuple, &more);
    true
}

/// Ends a connection whose socket is gone, though its end was not told. No program runs for it any
/// more.
#[inline(always)]
fn end_gone(connection: *mut Connection, counted: u32) {
    let origin = connections::origin(connection);
    if counted == COUNTED_ACTIVE {
        accounting::inactive(origin);
    }
    accounting::end(origin);
    counter::add_half(connections::word(connection), CLOSED | FREE_WHEN_READ);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_visit_flow(walker: u32, told: u32, nth: u32) -> u32 {
    let Some(key) = key(walker, nth) else {
        return 0;
    };
    let (Some(flow), Some(live)) = (flows::at(key.cookie, key.index), result(walker, told)) else {
        return 0;
    };
    // SAFETY: a part of an entry.
    copy_origin(live, unsafe { addr_of!((*flow).tuple) });
    live.kind = LIVE_FLOW;
    live.cookie = key.cookie;
    // SAFETY: a field of an entry.
    let sk = unsafe { addr_of!((*flow).socket).read_volatile() } as *const u8;
    socket::describe(sk, live);
    // SAFETY: as above.
    let owner = unsafe { addr_of!((*flow).cookie).read_volatile() };
    if owner != key.cookie {
        // It was not filled in yet, or has become another's.
        return 0;
    }
    // Only now: the socket may have ended meanwhile.
    let alive = socket::is_alive(sk, key.cookie);
    let open = alive && live.tuple.counted != UNCOUNTED;
    if key.index == 0 && (!alive || flows::are_many()) {
        flows::remove_idle(key.cookie, flow, persistence::now(), !alive);
    }
    open.into()
}

#[inline(always)]
fn copy_origin(live: &mut LiveConnection, origin: *const ConnTuple) {
    // SAFETY: what a socket remembers: plain data.
    words::copy(addr_of_mut!(live.tuple), unsafe { &*origin });
}
