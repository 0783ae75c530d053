//! Where the entries of connections are: in the array `CONNECTIONS`, at one of a few places that
//! the socket's cookie leads to, or else in the hash map `OVERFLOW`.
//!
//! The array takes no search and no allocation; a connection nearly always finds its first place
//! free. The hash map has memory only for what is in it, and a limit that a busy machine does not
//! meet. What of it one user may take is limited besides (`shares`). A first place tells how many
//! connections that begin their search there are elsewhere, so that a socket without an entry is
//! found out in one step.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, BPF_NOEXIST},
    btf_maps::{Array, HashMap},
    macros::btf_map,
};
use sockvs_ebpf_common::{
    CONNECTIONS as ENTRIES, CONNECTIONS_PER_GROUP, Connection, ConnectionGroup, MAX_OVERFLOW,
    MAX_PROBES, OverflowConnection, UNCOUNTED, connection_index,
};

use super::{owner, word};
use crate::{counter, shares};

#[btf_map]
static CONNECTIONS: Array<ConnectionGroup, { (ENTRIES / CONNECTIONS_PER_GROUP) as usize }> =
    Array::new();

#[btf_map]
static OVERFLOW: HashMap<
    u64,
    OverflowConnection,
    { MAX_OVERFLOW as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

/// One less than there are entries in `CONNECTIONS`. The daemon sets it before the programs are
/// loaded.
#[unsafe(no_mangle)]
static CONNECTIONS_MASK: u32 = ENTRIES - 1;

/// How many entries `OVERFLOW` can have. Likewise.
#[unsafe(no_mangle)]
static OVERFLOW_LIMIT: u32 = MAX_OVERFLOW;

/// What a new entry of `OVERFLOW` is.
// SAFETY: made of integers only.
static EMPTY: OverflowConnection = unsafe { core::mem::zeroed() };

/// The entry of `CONNECTIONS` with this index.
#[inline(always)]
pub(crate) fn at(index: u32) -> Option<*mut Connection> {
    let group = CONNECTIONS.get_ptr_mut(index / CONNECTIONS_PER_GROUP)?;
    // SAFETY: a part of a value of the map.
    let first = unsafe { addr_of_mut!((*group).connections) }.cast::<Connection>();
    // SAFETY: the index within a group is below what a group has.
    Some(unsafe { first.add((index % CONNECTIONS_PER_GROUP) as usize) })
}

/// The entry of this cookie's socket in `OVERFLOW`.
#[inline(always)]
pub(crate) fn overflow(cookie: u64) -> Option<*mut Connection> {
    // The entry comes first in the value.
    OVERFLOW.get_ptr_mut(&cookie).map(<*mut _>::cast)
}

/// The entry of the socket with this cookie.
#[inline(always)]
pub(crate) fn of_socket(cookie: u64) -> Option<*mut Connection> {
    let first = place(cookie, 0)?;
    if owner(first) == cookie {
        return Some(first);
    }
    let elsewhere = Elsewhere::of(first);
    if elsewhere.is_none() {
        return None;
    }
    if elsewhere.displaced() {
        let nth = sockvs_lookup_displaced(cookie);
        if nth != 0 {
            return place(cookie, nth);
        }
    }
    if elsewhere.overflowed() {
        return overflow(cookie);
    }
    None
}

/// An entry for the socket with this cookie, which has none; it is that socket's from now on.
#[inline(always)]
pub(super) fn alloc(cookie: u64) -> Option<*mut Connection> {
    let first = place(cookie, 0)?;
    if counter::replace(cookie_of(first), 0, cookie) {
        return Some(first);
    }
    let nth = sockvs_alloc_displaced(cookie);
    if nth != 0 {
        counter::add_half(displaced_of(first), 1);
        return place(cookie, nth);
    }
    if sockvs_alloc_overflow(cookie) == 0 {
        return None;
    }
    counter::add_half(overflowed_of(first), 1);
    overflow(cookie)
}

/// The entry of the socket with this cookie is free.
#[inline(always)]
pub(crate) fn free(cookie: u64) {
    let Some(first) = place(cookie, 0) else {
        return;
    };
    if owner(first) == cookie {
        clear(first);
        return;
    }
    let elsewhere = Elsewhere::of(first);
    if elsewhere.displaced() {
        let nth = sockvs_lookup_displaced(cookie);
        if nth != 0
            && let Some(entry) = place(cookie, nth)
        {
            clear(entry);
            counter::add_half(displaced_of(first), u32::MAX);
            return;
        }
    }
    if elsewhere.overflowed() && sockvs_free_overflow(cookie) != 0 {
        counter::add_half(overflowed_of(first), u32::MAX);
    }
}

/// The `nth` of the places where the entry of this cookie's socket can be.
#[inline(always)]
fn place(cookie: u64, nth: u32) -> Option<*mut Connection> {
    // SAFETY: a valid, aligned static. Volatile, because its value is not the one written here.
    let mask = unsafe { addr_of!(CONNECTIONS_MASK).read_volatile() };
    at(connection_index(cookie, nth, mask))
}

/// How many of those whose first place an entry is are elsewhere: both numbers, read as one.
#[derive(Clone, Copy)]
struct Elsewhere(u64);

impl Elsewhere {
    #[inline(always)]
    fn of(first: *mut Connection) -> Self {
        // SAFETY: two fields of an entry that stand side by side, aligned like one of both sizes.
        Self(unsafe { displaced_of(first).cast::<u64>().read_volatile() })
    }

    #[inline(always)]
    fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline(always)]
    fn displaced(self) -> bool {
        self.0 as u32 != 0
    }

    #[inline(always)]
    fn overflowed(self) -> bool {
        self.0 >> 32 != 0
    }
}

/// At which of its other places the entry of this cookie's socket is; zero if at none. A function
/// of its own for the verifier's sake, as those that follow.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_lookup_displaced(cookie: u64) -> u32 {
    for nth in 1..MAX_PROBES {
        if let Some(entry) = place(cookie, nth)
            && owner(entry) == cookie
        {
            return nth;
        }
    }
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_alloc_displaced(cookie: u64) -> u32 {
    for nth in 1..MAX_PROBES {
        if let Some(entry) = place(cookie, nth)
            && counter::replace(cookie_of(entry), 0, cookie)
        {
            return nth;
        }
    }
    0
}

/// Enters the socket in `OVERFLOW`; zero if there is no room, or its user has all that may be had.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_alloc_overflow(cookie: u64) -> u32 {
    let user = shares::owner();
    // SAFETY: a valid, aligned static. Volatile, because its value is not the one written above.
    let limit = unsafe { addr_of!(OVERFLOW_LIMIT).read_volatile() };
    if !shares::take(shares::Of::Connections, user, limit) {
        return 0;
    }
    if OVERFLOW
        .insert(&cookie, &EMPTY, BPF_NOEXIST.into())
        .is_err()
    {
        shares::give_back(shares::Of::Connections, user);
        return 0;
    }
    let Some(value) = OVERFLOW.get_ptr_mut(&cookie) else {
        return 0;
    };
    // SAFETY: a field of a value of the map.
    unsafe { addr_of_mut!((*value).owner).write_volatile(user) };
    counter::exchange(cookie_of(value.cast()), cookie);
    1
}

/// Removes the socket from `OVERFLOW`; zero if it is not there.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_free_overflow(cookie: u64) -> u32 {
    let Some(value) = OVERFLOW.get_ptr_mut(&cookie) else {
        return 0;
    };
    // SAFETY: a field of a value of the map.
    let user = unsafe { addr_of!((*value).owner).read_volatile() };
    // The kernel may use its memory for another entry while it is looked at.
    clear(value.cast());
    if OVERFLOW.remove(&cookie).is_err() {
        return 0;
    }
    shares::give_back(shares::Of::Connections, user);
    1
}

/// Makes an entry one of no socket. The cookie is the last that changes: what takes the entry then
/// finds the rest as it ought to be.
#[inline(always)]
fn clear(entry: *mut Connection) {
    // SAFETY: a field of an entry, written whole.
    unsafe { word(entry).write_volatile(UNCOUNTED) };
    // SAFETY: as above.
    unsafe { addr_of_mut!((*entry).socket).write_volatile(0) };
    counter::exchange(cookie_of(entry), 0);
}

#[inline(always)]
pub(super) fn cookie_of(entry: *mut Connection) -> *mut u64 {
    // SAFETY: a field of an entry.
    unsafe { addr_of_mut!((*entry).cookie) }
}

#[inline(always)]
fn displaced_of(entry: *mut Connection) -> *mut u32 {
    // SAFETY: a field of an entry.
    unsafe { addr_of_mut!((*entry).displaced) }
}

#[inline(always)]
fn overflowed_of(entry: *mut Connection) -> *mut u32 {
    // SAFETY: a field of an entry.
    unsafe { addr_of_mut!((*entry).overflowed) }
}
