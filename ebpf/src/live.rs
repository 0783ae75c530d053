//! The connections that are open: runs for each of TCP, and for each socket of UDP that remembers
//! something, when the daemon asks. What TCP connections have carried since they were last looked at is
//! added to the counters, and each connection is told to the daemon.
//!
//! The sockets go on working meanwhile. What is told of one may be a moment old.

use core::{
    ffi::c_void,
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::{bindings::seq_file, helpers::bpf_seq_write};
use sockvs_ebpf_common::{
    BEING_READ, COUNTED, Carried, Connection, ENDED, Flows, LIVE_CONNECTED, LIVE_FLOW,
    LiveConnection, OVER, Origin, UNCOUNTED,
};

use crate::{accounting, counter, flows, settled, socket, tcp, words};

/// What a program gets that runs for the sockets that remember something
/// (`struct bpf_iter__bpf_sk_storage_map`).
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

/// What a program gets that runs for the entries of a map (`struct bpf_iter__bpf_map_elem`).
#[repr(C)]
pub(crate) struct EntryVisit {
    /// As in [`Visit`].
    meta: *const *mut seq_file,
    _map: *const c_void,
    /// The key; null at the end.
    key: *const u64,
    _value: *const c_void,
}

/// The next one, or the one after it: nothing here ever ends the walk.
const NEXT: i32 = 0;
/// How often it is tried to keep a connection whose state changes at that moment.
const TRIES: u32 = 4;

/// A connection of TCP.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
pub(crate) extern "C" fn sockvs_live_tcp(visit: *const EntryVisit) -> i32 {
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
    let cookie = unsafe { key.read_volatile() };
    let Some(connection) = tcp::of_socket(cookie) else {
        return NEXT;
    };
    // SAFETY: a field of an entry.
    let word = unsafe { addr_of_mut!((*connection).origin.counted) };
    if !keep(word) {
        return NEXT;
    }
    // SAFETY: all bytes zero is such a record.
    let mut live: LiveConnection = unsafe { core::mem::zeroed() };
    // It may have become another's before it was kept, which has its own turn.
    // SAFETY: a field of an entry that stays as long as it is kept.
    let kept = unsafe { addr_of!((*connection).cookie).read_volatile() };
    if kept == cookie && look(connection, cookie, &mut live) {
        tell(meta, &live);
    }
    if counter::add_half(word, 0u32.wrapping_sub(BEING_READ)) & OVER != 0 {
        tcp::forget(kept);
    }
    NEXT
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
    socket::carried(sk, &mut live.carried);
    socket::describe(sk, live);
    // Only now: had it ended before, this would be of no socket, or of another one.
    if socket::cookie(sk) != cookie || tcp::counted(connection) & ENDED != 0 {
        return false;
    }
    let more = settled::go_on(connection, &old, &live.carried);
    accounting::carried(&live.origin, &more);
    true
}

/// A socket of UDP that is connected, or was.
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
    live.cookie = tcp::cookie_of(sk.cast_mut().cast());
    socket::describe(sk, &mut live);
    tell(meta(visit), &live);
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
    live.cookie = tcp::cookie_of(sk.cast_mut().cast());
    socket::describe(sk, &mut live);
    live.kind = LIVE_FLOW;
    for place in 0..flows::NOWHERE {
        // SAFETY: the place is below the number of flows.
        let flow = unsafe { addr_of!((*remembered).flows[place as usize].origin) };
        // SAFETY: what the socket remembers.
        if unsafe { addr_of!((*flow).counted).read_volatile() } != UNCOUNTED {
            copy_origin(&mut live, flow);
            tell(meta(visit), &live);
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
fn meta(visit: *const Visit) -> *const *mut seq_file {
    // SAFETY: the kernel passes a context that is valid for the program's run.
    unsafe { addr_of!((*visit).meta).read_volatile() }
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
