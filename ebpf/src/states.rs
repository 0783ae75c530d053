//! TCP connections from when they begin until they end.
//!
//! The kernel reports each change of a TCP socket's state on request; that is requested only for
//! connections to services.

use aya_ebpf::{
    bindings::{BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_TCP_CONNECT_CB, bpf_sock_ops},
    programs::SockOpsContext,
};
use sockvs_ebpf_common::{
    CLOSED, COUNT_MASK, COUNTED_ACTIVE, COUNTED_INACTIVE, FREE_WHEN_READ, READ_LOCKED, UNCOUNTED,
};

use crate::{accounting, connections, sock_ops::SockOps, tcp_counters};

/// The states of TCP from the first to the last of which a connection counts as active, and the one
/// in which it has ended (`net/tcp_states.h`, `ip_vs_proto_tcp.c`).
const ESTABLISHED: u32 = 1;
const SYN_RECV: u32 = 3;
const CLOSE: u32 = 7;

/// Handles an event. Most events are of no interest, and occur for every connection of the machine:
/// they are to cost as few instructions as possible, so nothing here needs a register saved.
#[inline(always)]
pub(crate) fn handle(ctx: &SockOpsContext) {
    let op = ctx.op();
    if op == BPF_SOCK_OPS_TCP_CONNECT_CB {
        sockvs_tcp_connecting(ctx.ops);
    } else if op == BPF_SOCK_OPS_STATE_CB && !(ESTABLISHED..=SYN_RECV).contains(&ctx.arg(1)) {
        sockvs_tcp_state_changed(ctx.ops);
    }
}

/// `connecting`, not inlined; so is `sockvs_tcp_state_changed`.
#[inline(never)]
fn sockvs_tcp_connecting(ops: *mut bpf_sock_ops) {
    connecting(&SockOps::new(ops));
}

#[inline(never)]
fn sockvs_tcp_state_changed(ops: *mut bpf_sock_ops) {
    state_changed(&SockOps::new(ops));
}

/// The SYN is about to be sent.
#[inline(always)]
fn connecting(ops: &SockOps) {
    let cookie = ops.cookie();
    let Some(connection) = connections::lookup(cookie) else {
        return;
    };
    if connection.counted().load() != UNCOUNTED {
        return;
    }
    let requests = ops.with_state_changes();
    // The entry may be of an attempt that failed earlier, and the socket now connects to something
    // else. And a connection whose end is not reported must not be counted.
    if !connection.tuple().server().equals(&ops.peer()) || !ops.request_state_changes(requests) {
        connections::free(cookie);
        return;
    }
    if accounting::bind(connection.tuple().as_ptr(), true) {
        connection.counted().add(COUNTED_ACTIVE);
    }
}

/// The state changes to one that is not among the active ones.
#[inline(always)]
fn state_changed(ops: &SockOps) {
    let state = ops.new_state();
    let cookie = ops.cookie();
    let Some(connection) = connections::lookup(cookie) else {
        return;
    };
    let word = connection.counted().load();
    if word & CLOSED != 0 {
        // The entry is that of the socket's previous connection, which a walker still reads. The
        // present one is not counted.
        return;
    }
    let counted = word & COUNT_MASK;
    let active = counted == COUNTED_ACTIVE;
    let tuple = connection.tuple().as_ref();
    if state != CLOSE {
        if active {
            accounting::deactivate(tuple);
            connection.counted().add(COUNTED_INACTIVE - COUNTED_ACTIVE);
        }
        return;
    }
    if counted != UNCOUNTED {
        // Before the rest is claimed: from now on no walker adds anything.
        connection.counted().add(CLOSED);
        let rest = tcp_counters::claim_rest(connection, &ops.tcp_counters());
        accounting::unbind_with_traffic(tuple, active, &rest);
    }
    if connection.counted().add(FREE_WHEN_READ) & READ_LOCKED == 0 {
        connections::free(cookie);
    }
}
