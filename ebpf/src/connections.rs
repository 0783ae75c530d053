//! TCP connections from when they are begun until they end.
//!
//! The kernel tells of each change of a TCP socket's state, once it was asked to; that is done only
//! for connections that go to a service.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{
    bindings::{BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_STATE_CB_FLAG, BPF_SOCK_OPS_TCP_CONNECT_CB},
    programs::SockOpsContext,
};
use sockvs_ebpf_common::{COUNTED_ACTIVE, COUNTED_INACTIVE, Carried, Origin, UNCOUNTED};

use crate::{accounting, counter, origin, settled};

/// The states of TCP in which a connection counts as active, and the one in which it is over
/// (`net/tcp_states.h`, `ip_vs_proto_tcp.c`).
const ESTABLISHED: u32 = 1;
const SYN_RECV: u32 = 3;
const CLOSE: u32 = 7;

/// Looks at what the kernel tells.
#[inline(always)]
pub(crate) fn observe(ctx: &SockOpsContext) {
    match ctx.op() {
        BPF_SOCK_OPS_TCP_CONNECT_CB => begin(ctx),
        BPF_SOCK_OPS_STATE_CB => change(ctx),
        _ => {}
    }
}

/// The first packet is about to be sent.
#[inline(always)]
fn begin(ctx: &SockOpsContext) {
    let Some(at) = origin::of_connection(ctx) else {
        return;
    };
    // SAFETY: `at` points to the socket's own storage, which its lock guards.
    let origin = unsafe { at.read() };
    if origin.virtual_port == 0 || origin.counted != UNCOUNTED {
        return;
    }
    let flags = ctx.cb_flags() | BPF_SOCK_OPS_STATE_CB_FLAG;
    if ctx.set_cb_flags(flags as i32).is_err() {
        // Without word of its end a connection must not be counted.
        return;
    }
    settled::begin(origin::socket(ctx));
    if accounting::begin(&origin, true) {
        set_counted(at, COUNTED_ACTIVE);
    }
}

/// The state changes to another.
#[inline(always)]
fn change(ctx: &SockOpsContext) {
    let state = ctx.arg(1);
    if (ESTABLISHED..=SYN_RECV).contains(&state) {
        return;
    }
    let Some(at) = origin::of_connection(ctx) else {
        return;
    };
    // SAFETY: `at` points to the socket's own storage, which its lock guards.
    let origin = unsafe { at.read() };
    if origin.counted == UNCOUNTED {
        return;
    }
    if origin.counted == COUNTED_ACTIVE {
        accounting::inactive(&origin);
    }
    if state == CLOSE {
        // At once, before what is settled is looked up.
        // SAFETY: the socket's own storage.
        counter::exchange_half(unsafe { addr_of_mut!((*at).counted) }, UNCOUNTED);
        let rest = settled::end(origin::socket(ctx), &carried(ctx));
        accounting::carried(&origin, &rest);
        accounting::end(&origin);
    } else {
        set_counted(at, COUNTED_INACTIVE);
    }
}

/// What the connection has carried.
#[inline(always)]
fn carried(ctx: &SockOpsContext) -> Carried {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let sent = unsafe { addr_of!((*ctx.ops).segs_out).read_volatile() };
    // SAFETY: as above.
    let received = unsafe { addr_of!((*ctx.ops).segs_in).read_volatile() };
    Carried {
        inpkts: sent.into(),
        outpkts: received.into(),
        // SAFETY: as above.
        inbytes: unsafe { addr_of!((*ctx.ops).bytes_acked).read_volatile() },
        // SAFETY: as above.
        outbytes: unsafe { addr_of!((*ctx.ops).bytes_received).read_volatile() },
    }
}

#[inline(always)]
fn set_counted(origin: *mut Origin, counted: u32) {
    // SAFETY: the socket's own storage.
    unsafe { addr_of_mut!((*origin).counted).write(counted) };
}
