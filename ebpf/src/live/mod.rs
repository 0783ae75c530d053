//! Walks the open connections and flows each time that the daemon runs these programs. The traffic
//! of TCP connections since the previous walk is added to the counters, and each connection is
//! reported to the daemon.
//!
//! Entries whose socket is gone, though no program saw its end, are freed here: those of the
//! kernel's own sockets (MPTCP, NFS), whose release runs no program. So are the flows of sockets
//! that use them no more.
//!
//! The programs are attached to nothing. The daemon runs them itself (`BPF_PROG_TEST_RUN`), which
//! every kernel allows that loads raw tracepoints; BPF iterators are missing on kernels without
//! tracing programs. Sockets continue to work meanwhile, so a report may be a moment old.

mod batch;
mod templates;

use core::ffi::c_void;

use aya_ebpf::programs::RawTracePointContext;
use sockvs_ebpf_common::{
    CLOSED, CONNECTIONS_PER_GROUP, COUNT_MASK, COUNTED_ACTIVE, FREE_WHEN_READ, FlowKey,
    IPPROTO_TCP, LIVE_CONNECTED, LIVE_FLOW, LiveConnection, READ_LOCKED, UNCOUNTED, WALK_BATCH,
};

use crate::{
    accounting, clock,
    connections::{self, CLAIMED},
    flows,
    kernel_sock::KernelSock,
    records::ConnectionRef,
    tcp_counters,
};

/// How often the read lock of an entry is tried while the connection's state changes.
const TRIES: u32 = 4;

/// Walks a group of `CONNECTIONS`. Arguments: the walker and the group.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/connections")]
pub(crate) extern "C" fn sockvs_walk_connections(ctx: *mut c_void) -> u32 {
    let (walker, group) = arguments(ctx);
    let mut reported = 0;
    for nth in 0..CONNECTIONS_PER_GROUP {
        reported += sockvs_visit(
            walker,
            reported,
            group.wrapping_mul(CONNECTIONS_PER_GROUP) + nth,
        );
    }
    reported
}

/// Walks entries of `OVERFLOW`. Arguments: the walker, and how many keys there are in its
/// `WALK_KEYS`.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/overflow")]
pub(crate) extern "C" fn sockvs_walk_overflow(ctx: *mut c_void) -> u32 {
    let (walker, keys) = arguments(ctx);
    let mut reported = 0;
    for nth in 0..WALK_BATCH {
        if nth >= keys {
            break;
        }
        reported += sockvs_visit_overflow(walker, reported, nth);
    }
    reported
}

/// Walks entries of `FLOWS`. Arguments as for `OVERFLOW`.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/flows")]
pub(crate) extern "C" fn sockvs_walk_flows(ctx: *mut c_void) -> u32 {
    let (walker, keys) = arguments(ctx);
    let mut reported = 0;
    for nth in 0..WALK_BATCH {
        if nth >= keys {
            break;
        }
        reported += sockvs_visit_flow(walker, reported, nth);
    }
    reported
}

#[inline(always)]
fn arguments(ctx: *mut c_void) -> (u32, u32) {
    let ctx = RawTracePointContext::new(ctx);
    (ctx.arg::<u64>(0) as u32, ctx.arg::<u64>(1) as u32)
}

/// Visits the entry with this index, and reports it as the `reported`th: how many it has reported.
/// A global function, which the verifier checks once; so are those that follow.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_visit(walker: u32, reported: u32, index: u32) -> u32 {
    let Some(connection) = connections::at(index) else {
        return 0;
    };
    match connection.cookie().load() {
        0 => 0,
        claimed if claimed & CLAIMED != 0 => 0,
        cookie => visit(walker, reported, connection, cookie),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_visit_overflow(walker: u32, reported: u32, nth: u32) -> u32 {
    let Some(FlowKey { cookie, .. }) = batch::key(walker, nth) else {
        return 0;
    };
    match connections::overflow(cookie) {
        Some(connection) => visit(walker, reported, connection, cookie),
        None => 0,
    }
}

#[inline(always)]
fn visit(walker: u32, reported: u32, connection: ConnectionRef, cookie: u64) -> u32 {
    let counted = connection.counted().load();
    if counted & COUNT_MASK == UNCOUNTED {
        free_if_gone(connection, cookie, counted);
        return 0;
    }
    let Some(live) = batch::result(walker, reported) else {
        return 0;
    };
    if !read_lock(connection) {
        return 0;
    }
    // It may have become another socket's before it was locked.
    let locked = connection.cookie().load();
    let open = locked == cookie && report(connection, cookie, live);
    if connection.counted().sub(READ_LOCKED) & FREE_WHEN_READ != 0 {
        connections::free(locked);
    }
    open.into()
}

/// Frees an entry that is not counted, if its socket is gone. Such a socket never had another
/// cookie, and none gets this one, so the entry is still its.
#[inline(always)]
fn free_if_gone(connection: ConnectionRef, cookie: u64, counted: u32) {
    let sk = connection.socket();
    if counted == UNCOUNTED
        && !sk.is_null()
        && connection.cookie().load() == cookie
        && !KernelSock::new(sk).is_alive(cookie)
    {
        connections::free_gone(connection, cookie);
    }
}

/// Locks an entry against being freed, if its connection is open.
#[inline(always)]
fn read_lock(connection: ConnectionRef) -> bool {
    for _ in 0..TRIES {
        let counted = connection.counted().load();
        if counted & COUNT_MASK == UNCOUNTED || counted & !COUNT_MASK != 0 {
            return false;
        }
        if connection
            .counted()
            .compare_exchange(counted, counted | READ_LOCKED)
        {
            return true;
        }
    }
    false
}

/// Updates the counters and fills in the record; false if the connection has ended.
#[inline(always)]
fn report(connection: ConnectionRef, cookie: u64, live: &mut LiveConnection) -> bool {
    batch::copy_tuple(&mut live.tuple, connection.tuple());
    live.tuple.counted &= COUNT_MASK;
    live.kind = LIVE_CONNECTED;
    live.cookie = cookie;
    let sk = KernelSock::new(connection.socket());
    let old = tcp_counters::snapshot(connection);
    sk.describe(live);
    if live.protocol == u16::from(IPPROTO_TCP) {
        sk.read_tcp_counters(&mut live.counters);
    }
    // After that: if it is alive now, what was read is of this socket.
    let alive = sk.is_alive(cookie);
    if connection.counted().load() & CLOSED != 0 {
        return false;
    }
    if !alive {
        end_gone(connection, live.tuple.counted);
        return false;
    }
    // The traffic of UDP is not known: zero, and so is what has been claimed of it.
    let delta = tcp_counters::claim_delta(connection, &old, &live.counters);
    accounting::add_traffic(&live.tuple, &delta);
    true
}

/// Ends a connection whose socket is gone, though its end was not reported. No program runs for it
/// any more.
#[inline(always)]
fn end_gone(connection: ConnectionRef, counted: u32) {
    let tuple = connection.tuple().as_ref();
    if counted == COUNTED_ACTIVE {
        accounting::deactivate(tuple);
    }
    accounting::unbind(tuple);
    connection.counted().add(CLOSED | FREE_WHEN_READ);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_visit_flow(walker: u32, reported: u32, nth: u32) -> u32 {
    let Some(key) = batch::key(walker, nth) else {
        return 0;
    };
    let (Some(flow), Some(live)) = (
        flows::at(key.cookie, key.index),
        batch::result(walker, reported),
    ) else {
        return 0;
    };
    batch::copy_tuple(&mut live.tuple, flow.tuple());
    live.kind = LIVE_FLOW;
    live.cookie = key.cookie;
    let sk = KernelSock::new(flow.socket());
    sk.describe(live);
    if flow.cookie().load() != key.cookie {
        // It was not initialised yet, or has become another socket's.
        return 0;
    }
    // After that: the socket may have been closed meanwhile.
    let alive = sk.is_alive(key.cookie);
    let open = alive && live.tuple.counted != UNCOUNTED;
    if key.index == 0 && (!alive || flows::are_many()) {
        flows::remove_idle(key.cookie, flow, clock::now(), !alive);
    }
    open.into()
}
