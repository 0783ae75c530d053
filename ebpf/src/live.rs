//! The connections that are open: runs for each, and for each flow of datagrams, when the daemon asks.
//! What TCP connections have carried since they were last looked at is
//! added to the counters, and each connection is told to the daemon.
//!
//! The sockets go on working meanwhile. What is told of one may be a moment old.

use core::{
    ffi::c_void,
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::{bindings::seq_file, helpers::bpf_seq_write};
use sockvs_ebpf_common::{
    BEING_READ, CONNECTIONS_PER_GROUP, COUNTED, Carried, Connection, ENDED, FlowKey, IPPROTO_TCP,
    LIVE_CONNECTED, LIVE_FLOW, LiveConnection, OVER, Origin, UNCOUNTED,
};

use crate::{accounting, connections, counter, flows, settled, socket, words};

/// What a program gets that runs for the entries of a map (`struct bpf_iter__bpf_map_elem`).
#[repr(C)]
pub(crate) struct Visit<K> {
    /// Begins with the file that the daemon reads.
    meta: *const *mut seq_file,
    _map: *const c_void,
    /// The key; null at the end.
    key: *const K,
    _value: *const c_void,
}

/// The next one, or the one after it: nothing here ever ends the walk.
const NEXT: i32 = 0;
/// How often it is tried to keep a connection whose state changes at that moment.
const TRIES: u32 = 4;

/// The connections of a group of entries.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/connected")]
pub(crate) extern "C" fn sockvs_live_connected(visit: *const Visit<u32>) -> i32 {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let (meta, key) = unsafe {
        (
            addr_of!((*visit).meta).read_volatile(),
            addr_of!((*visit).key).read_volatile(),
        )
    };
    if key.is_null() {
        return NEXT;
    }
    // SAFETY: not null, so a key.
    let index = unsafe { key.read_volatile() };
    let first = index.wrapping_mul(CONNECTIONS_PER_GROUP);
    for nth in 0..CONNECTIONS_PER_GROUP {
        sockvs_visit(meta, first.wrapping_add(nth));
    }
    NEXT
}

/// Looks at the entry with this index. A function of its own, because there are many. (`bpf_loop` would be
/// for that, but takes type information along with the program.)
#[inline(never)]
fn sockvs_visit(meta: *const *mut seq_file, index: u32) {
    let Some(connection) = connections::at(index) else {
        return;
    };
    let cookie = connections::owner(connection);
    let word = connections::word(connection);
    if cookie == 0 || !keep(word) {
        return;
    }
    // SAFETY: all bytes zero is such a record.
    let mut live: LiveConnection = unsafe { core::mem::zeroed() };
    // It may have become another's before it was kept.
    let kept = connections::owner(connection);
    if kept == cookie && look(connection, cookie, &mut live) {
        tell(meta, &live);
    }
    if counter::add_half(word, 0u32.wrapping_sub(BEING_READ)) & OVER != 0 {
        connections::forget(kept);
    }
}

/// Sees to it that an entry stays, if it is of a connection that goes on.
#[inline(always)]
fn keep(word: *mut u32) -> bool {
    for _ in 0..TRIES {
        // SAFETY: a field of an entry, read whole.
        let counted = unsafe { word.read_volatile() };
        if counted & COUNTED == UNCOUNTED || counted & !COUNTED != 0 {
            return false;
        }
        if counter::replace_half(word, counted, counted | BEING_READ) {
            return true;
        }
    }
    false
}

/// Brings the counters up to date, and fills in the record; false if the connection has just ended.
#[inline(always)]
fn look(connection: *mut Connection, cookie: u64, live: &mut LiveConnection) -> bool {
    // SAFETY: an entry that is kept.
    copy_origin(live, unsafe { addr_of!((*connection).origin) });
    live.origin.counted &= COUNTED;
    live.kind = LIVE_CONNECTED;
    live.cookie = cookie;
    // SAFETY: as above.
    let sk = unsafe { addr_of!((*connection).socket).read_volatile() } as *const u8;
    let old: Carried = settled::so_far(connection);
    socket::describe(sk, live);
    if live.protocol == u16::from(IPPROTO_TCP) {
        socket::carried(sk, &mut live.carried);
    }
    // Only now: had it ended before, this would be of no socket, or of another one.
    if socket::cookie(sk) != cookie || connections::counted(connection) & ENDED != 0 {
        return false;
    }
    // Nothing is known of what one of UDP carries, and that is what is settled of it, too.
    let more = settled::go_on(connection, &old, &live.carried);
    accounting::carried(&live.origin, &more);
    true
}

/// Datagrams of a socket that is not connected.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/flows")]
pub(crate) extern "C" fn sockvs_live_flows(visit: *const Visit<FlowKey>) -> i32 {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    let (meta, key) = unsafe {
        (
            addr_of!((*visit).meta).read_volatile(),
            addr_of!((*visit).key).read_volatile(),
        )
    };
    if key.is_null() {
        return NEXT;
    }
    // SAFETY: not null, so a key.
    let key = unsafe { key.read_volatile() };
    let Some(flow) = flows::at(key.cookie, key.place) else {
        return NEXT;
    };
    // SAFETY: all bytes zero is such a record.
    let mut live: LiveConnection = unsafe { core::mem::zeroed() };
    // SAFETY: a part of an entry.
    copy_origin(&mut live, unsafe { addr_of!((*flow).origin) });
    live.kind = LIVE_FLOW;
    live.cookie = key.cookie;
    // SAFETY: a field of an entry.
    let sk = unsafe { addr_of!((*flow).socket).read_volatile() } as *const u8;
    socket::describe(sk, &mut live);
    // SAFETY: as above.
    let owner = unsafe { addr_of!((*flow).cookie).read_volatile() };
    // Only now: it may have become another's meanwhile.
    let is_its = owner == key.cookie && socket::cookie(sk) == key.cookie;
    if is_its && live.origin.counted != UNCOUNTED {
        tell(meta, &live);
    }
    NEXT
}

#[inline(always)]
fn copy_origin(live: &mut LiveConnection, origin: *const Origin) {
    // SAFETY: what a socket remembers: plain data.
    words::copy(addr_of_mut!(live.origin), unsafe { &*origin });
}

#[inline(always)]
fn tell(meta: *const *mut seq_file, live: &LiveConnection) {
    // SAFETY: the first field of what the context points to.
    let file = unsafe { meta.read_volatile() };
    let bytes = size_of::<LiveConnection>() as u32;
    // If there is no room in the file's buffer, the kernel visits this one again once there is.
    // SAFETY: the kernel's file and our record.
    let _ = unsafe { bpf_seq_write(file, addr_of!(*live).cast(), bytes) };
}
