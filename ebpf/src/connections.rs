//! Counting connections from when they are begun until they end, and what they carried.
//!
//! The kernel tells of each change of a TCP socket's state, once it was asked to; that is done only
//! for connections that go to a service. A connection is counted where its destination's record is,
//! which stays that destination's until no connection is counted there.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{
    bindings::{BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_STATE_CB_FLAG, BPF_SOCK_OPS_TCP_CONNECT_CB},
    programs::SockOpsContext,
};
use sockvs_ebpf_common::{
    COUNTED_ACTIVE, COUNTED_INACTIVE, Destination, Origin, Service, UNCOUNTED,
};

use crate::{counter, origin, table};

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
    let Some(destination) = table::destination(origin.destination) else {
        return;
    };
    let flags = ctx.cb_flags() | BPF_SOCK_OPS_STATE_CB_FLAG;
    if ctx.set_cb_flags(flags as i32).is_err() {
        // Without word of its end a connection must not be counted.
        return;
    }
    set_counted(at, COUNTED_ACTIVE);
    // SAFETY: fields within a record; so below.
    counter::add(unsafe { addr_of_mut!((*destination).conns) }, 1);
    // SAFETY: as above.
    counter::add(unsafe { addr_of_mut!((*destination).active) }, 1);
    // SAFETY: as above.
    let total = counter::add(unsafe { addr_of_mut!((*destination).total) }, 1) + 1;
    // SAFETY: as above.
    let upper = unsafe { addr_of!((*destination).upper_threshold).read_volatile() };
    if total == u64::from(upper) {
        set_overloaded(destination, 1);
    }
    if let Some(service) = table::service_at(origin.service) {
        // SAFETY: as above.
        counter::add(unsafe { addr_of_mut!((*service).conns) }, 1);
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
    let Some(destination) = table::destination(origin.destination) else {
        return;
    };
    if origin.counted == COUNTED_ACTIVE {
        // SAFETY: a field within a record.
        counter::take_one(unsafe { addr_of_mut!((*destination).active) });
    }
    if state == CLOSE {
        set_counted(at, UNCOUNTED);
        end(ctx, destination, &origin);
    } else {
        set_counted(at, COUNTED_INACTIVE);
    }
}

/// The connection is over.
#[inline(always)]
fn end(ctx: &SockOpsContext, destination: *mut Destination, origin: &Origin) {
    // SAFETY: fields within a record; so below.
    let total = counter::take_one(unsafe { addr_of_mut!((*destination).total) });
    // SAFETY: as above.
    let recovery = unsafe { addr_of!((*destination).recovery_threshold).read_volatile() };
    if total == u64::from(recovery) {
        set_overloaded(destination, 0);
    }
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let sent = unsafe { addr_of!((*ctx.ops).segs_out).read_volatile() };
    // SAFETY: as above.
    let received = unsafe { addr_of!((*ctx.ops).segs_in).read_volatile() };
    // SAFETY: as above.
    let bytes_sent = unsafe { addr_of!((*ctx.ops).bytes_acked).read_volatile() };
    // SAFETY: as above.
    let bytes_received = unsafe { addr_of!((*ctx.ops).bytes_received).read_volatile() };
    // SAFETY: fields within a record; so below.
    counter::add(unsafe { addr_of_mut!((*destination).inpkts) }, sent.into());
    // SAFETY: as above.
    counter::add(
        unsafe { addr_of_mut!((*destination).outpkts) },
        received.into(),
    );
    // SAFETY: as above.
    counter::add(unsafe { addr_of_mut!((*destination).inbytes) }, bytes_sent);
    // SAFETY: as above.
    counter::add(
        unsafe { addr_of_mut!((*destination).outbytes) },
        bytes_received,
    );
    let Some(service) = table::service_at(origin.service) else {
        return;
    };
    let service: *mut Service = service;
    // SAFETY: as above.
    counter::add(unsafe { addr_of_mut!((*service).inpkts) }, sent.into());
    // SAFETY: as above.
    counter::add(unsafe { addr_of_mut!((*service).outpkts) }, received.into());
    // SAFETY: as above.
    counter::add(unsafe { addr_of_mut!((*service).inbytes) }, bytes_sent);
    // SAFETY: as above.
    counter::add(unsafe { addr_of_mut!((*service).outbytes) }, bytes_received);
}

#[inline(always)]
fn set_counted(origin: *mut Origin, counted: u32) {
    // SAFETY: the socket's own storage.
    unsafe { addr_of_mut!((*origin).counted).write(counted) };
}

#[inline(always)]
fn set_overloaded(destination: *mut Destination, overloaded: u32) {
    // SAFETY: a field within a record; it is written whole.
    unsafe { addr_of_mut!((*destination).overloaded).write_volatile(overloaded) };
}
