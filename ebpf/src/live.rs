//! The connections that are open: runs for each socket that remembers something, when the daemon
//! asks. What TCP connections have carried since they were last looked at is added to the counters,
//! and each connection is told to the daemon.
//!
//! The sockets go on working meanwhile. What is told of one may be a moment old.

use core::{
    ffi::c_void,
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::{bindings::seq_file, helpers::bpf_seq_write};
use sockvs_ebpf_common::{Flows, LIVE_CONNECTED, LIVE_FLOW, LiveConnection, Origin, UNCOUNTED};

use crate::{accounting, flows, settled, socket, words};

/// What such a program gets (`struct bpf_iter__bpf_sk_storage_map`).
#[repr(C)]
pub(crate) struct Visit {
    /// Begins with the file that the daemon reads.
    meta: *const *mut seq_file,
    _map: *const c_void,
    /// The socket; null at the end.
    sk: *const u8,
    /// What it remembers; null at the end.
    value: *const c_void,
}

/// The next socket, or the one after it: nothing here ever ends the walk.
const NEXT: i32 = 0;

/// A socket that is connected, or was.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/connected")]
pub(crate) extern "C" fn sockvs_live_connected(visit: *const Visit) -> i32 {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let (sk, value) = unsafe {
        (
            addr_of!((*visit).sk).read_volatile(),
            addr_of!((*visit).value).read_volatile(),
        )
    };
    if sk.is_null() || value.is_null() {
        return NEXT;
    }
    let remembered = value.cast::<Origin>();
    // SAFETY: what the socket remembers.
    if unsafe { addr_of!((*remembered).counted).read_volatile() } == UNCOUNTED {
        return NEXT;
    }
    // SAFETY: all bytes zero is such a record.
    let mut live: LiveConnection = unsafe { core::mem::zeroed() };
    copy_origin(&mut live, remembered);
    live.kind = LIVE_CONNECTED;
    let stored = settled::of_or_new(sk.cast_mut().cast());
    if stored.is_null() {
        socket::carried(sk, &mut live.carried);
    } else {
        let old = settled::so_far(stored);
        // Only now: should it have ended before there was a memory, all of it has been added.
        // SAFETY: as above.
        if unsafe { addr_of!((*remembered).counted).read_volatile() } == UNCOUNTED {
            return NEXT;
        }
        if socket::carried(sk, &mut live.carried) {
            let more = settled::go_on(stored, &old, &live.carried);
            accounting::carried(&live.origin, &more);
        }
    }
    socket::describe(sk, &mut live);
    tell(visit, &live);
    NEXT
}

/// A socket that sent datagrams without being connected.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/flows")]
pub(crate) extern "C" fn sockvs_live_flows(visit: *const Visit) -> i32 {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let (sk, value) = unsafe {
        (
            addr_of!((*visit).sk).read_volatile(),
            addr_of!((*visit).value).read_volatile(),
        )
    };
    if sk.is_null() || value.is_null() {
        return NEXT;
    }
    let remembered = value.cast::<Flows>();
    // SAFETY: all bytes zero is such a record.
    let mut live: LiveConnection = unsafe { core::mem::zeroed() };
    socket::describe(sk, &mut live);
    live.kind = LIVE_FLOW;
    for place in 0..flows::NOWHERE {
        // SAFETY: the place is below the number of flows.
        let flow = unsafe { addr_of!((*remembered).flows[place as usize].origin) };
        // SAFETY: what the socket remembers.
        if unsafe { addr_of!((*flow).counted).read_volatile() } != UNCOUNTED {
            copy_origin(&mut live, flow);
            tell(visit, &live);
        }
    }
    NEXT
}

#[inline(always)]
fn copy_origin(live: &mut LiveConnection, origin: *const Origin) {
    // SAFETY: what a socket remembers: plain data.
    words::copy(addr_of_mut!(live.origin), unsafe { &*origin });
}

#[inline(always)]
fn tell(visit: *const Visit, live: &LiveConnection) {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let meta = unsafe { addr_of!((*visit).meta).read_volatile() };
    // SAFETY: the first field of what the context points to.
    let file = unsafe { meta.read_volatile() };
    let bytes = size_of::<LiveConnection>() as u32;
    // If there is no room in the file's buffer, the kernel visits this socket again once there is.
    // SAFETY: the kernel's file and our record.
    let _ = unsafe { bpf_seq_write(file, addr_of!(*live).cast(), bytes) };
}
