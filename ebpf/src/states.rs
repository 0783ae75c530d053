//! TCP connections from when they are begun until they end.
//!
//! The kernel tells of each change of a TCP socket's state, once it was asked to; that is done only
//! for connections that go to a service.

use core::ptr::addr_of;

use aya_ebpf::{
    bindings::{
        BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_STATE_CB_FLAG, BPF_SOCK_OPS_TCP_CONNECT_CB,
        bpf_sock_ops,
    },
    programs::SockOpsContext,
};
use sockvs_ebpf_common::{
    AF_INET6, CLOSED, COUNT_MASK, COUNTED_ACTIVE, COUNTED_INACTIVE, FREE_WHEN_READ, READ_LOCKED,
    TcpCounters, UNCOUNTED,
};

use crate::{
    accounting,
    address::Endpoint,
    connections::{self, origin, word},
    counter, settled,
};

/// The states of TCP in which a connection counts as active, and the one in which it is over
/// (`net/tcp_states.h`, `ip_vs_proto_tcp.c`).
const ESTABLISHED: u32 = 1;
const SYN_RECV: u32 = 3;
const CLOSE: u32 = 7;

/// Looks at what the kernel tells. Most of it is of no use, and told of every connection there is:
/// that is to take as few instructions as possible, and so there is nothing here that needs a
/// register saved.
#[inline(always)]
pub(crate) fn observe(ctx: &SockOpsContext) {
    let op = ctx.op();
    if op == BPF_SOCK_OPS_TCP_CONNECT_CB {
        sockvs_begun(ctx.ops);
    } else if op == BPF_SOCK_OPS_STATE_CB && !(ESTABLISHED..=SYN_RECV).contains(&ctx.arg(1)) {
        sockvs_changed(ctx.ops);
    }
}

/// `begin`, as a function of its own; so `sockvs_changed`.
#[inline(never)]
fn sockvs_begun(ops: *mut bpf_sock_ops) {
    begin(&SockOpsContext::new(ops));
}

#[inline(never)]
fn sockvs_changed(ops: *mut bpf_sock_ops) {
    change(&SockOpsContext::new(ops));
}

/// The first packet is about to be sent.
#[inline(always)]
fn begin(ctx: &SockOpsContext) {
    let cookie = connections::cookie(ctx);
    let Some(connection) = connections::of_socket(cookie) else {
        return;
    };
    if connections::counted(connection) != UNCOUNTED {
        return;
    }
    let flags = ctx.cb_flags() | BPF_SOCK_OPS_STATE_CB_FLAG;
    // What is known may be of an attempt that failed before it began, and the socket now goes past
    // services. And without word of its end a connection must not be counted.
    if !connections::is_to(connection, &peer(ctx)) || ctx.set_cb_flags(flags as i32).is_err() {
        connections::free(cookie);
        return;
    }
    if accounting::begin(connections::origin_of(connection), true) {
        counter::add_half(word(connection), COUNTED_ACTIVE);
    }
}

/// The state changes to one that is not among the active ones.
#[inline(always)]
fn change(ctx: &SockOpsContext) {
    let state = ctx.arg(1);
    let cookie = connections::cookie(ctx);
    let Some(connection) = connections::of_socket(cookie) else {
        return;
    };
    let word_now = connections::counted(connection);
    if word_now & CLOSED != 0 {
        // That of the socket's last connection, which somebody still reads. This one is not
        // counted.
        return;
    }
    let counted = word_now & COUNT_MASK;
    let active = counted == COUNTED_ACTIVE;
    if state != CLOSE {
        if active {
            accounting::inactive(origin(connection));
            counter::add_half(word(connection), COUNTED_INACTIVE - COUNTED_ACTIVE);
        }
        return;
    }
    if counted != UNCOUNTED {
        // Before what is settled is looked at: from now on nobody else adds anything.
        counter::add_half(word(connection), CLOSED);
        let rest = settled::end(connection, &carried(ctx));
        accounting::end_carried(origin(connection), active, &rest);
    }
    if counter::add_half(word(connection), FREE_WHEN_READ) & READ_LOCKED == 0 {
        connections::free(cookie);
    }
}

/// Where the socket's packets go.
#[inline(always)]
fn peer(ctx: &SockOpsContext) -> Endpoint {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let family = unsafe { addr_of!((*ctx.ops).family).read_volatile() };
    let address = if family == u32::from(AF_INET6) {
        [0, 1, 2, 3].map(|word| {
            // SAFETY: as above; there are four words.
            unsafe { addr_of!((*ctx.ops).remote_ip6[word]).read_volatile() }
        })
    } else {
        // SAFETY: as above.
        [
            unsafe { addr_of!((*ctx.ops).remote_ip4).read_volatile() },
            0,
            0,
            0,
        ]
    };
    // SAFETY: as above.
    let port = unsafe { addr_of!((*ctx.ops).remote_port).read_volatile() };
    Endpoint {
        address,
        // In network order; which half of the word it is in, depends on this machine's.
        port: (u32::from_be(port) as u16).to_be(),
    }
}

/// What the connection has carried.
#[inline(always)]
fn carried(ctx: &SockOpsContext) -> TcpCounters {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let sent = unsafe { addr_of!((*ctx.ops).segs_out).read_volatile() };
    // SAFETY: as above.
    let received = unsafe { addr_of!((*ctx.ops).segs_in).read_volatile() };
    TcpCounters {
        inpkts: sent.into(),
        outpkts: received.into(),
        // SAFETY: as above.
        inbytes: unsafe { addr_of!((*ctx.ops).bytes_acked).read_volatile() },
        // SAFETY: as above.
        outbytes: unsafe { addr_of!((*ctx.ops).bytes_received).read_volatile() },
    }
}
