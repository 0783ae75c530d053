//! Looking up, allocating and freeing the entries of connections: in the array `CONNECTIONS`, at
//! one of the few indexes that the socket's cookie leads to, or else in the hash map `OVERFLOW`.
//!
//! The array takes no search and no allocation; a connection nearly always gets the entry that it
//! probes first. The hash map has memory only for what is in it, and a limit that a busy machine
//! does not reach. `shares` limits besides what one user may take of it. The entry that is probed
//! first says how many connections that begin there are elsewhere, so that a socket without an
//! entry is detected in one step.

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, BPF_NOEXIST},
    btf_maps::{Array, HashMap},
    macros::btf_map,
};
use sockvs_ebpf_common::{
    CONNECTIONS as ENTRIES, CONNECTIONS_PER_GROUP, ConnectionGroup, MAX_OVERFLOW, MAX_PROBES,
    OverflowConnection, connection_index,
};

use crate::{
    config,
    records::{ConnectionRef, OverflowRef},
    shares,
};

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
pub(crate) fn at(index: u32) -> Option<ConnectionRef> {
    let group = CONNECTIONS.get_ptr_mut(index / CONNECTIONS_PER_GROUP)?;
    // SAFETY: this is a look-up.
    Some(unsafe { ConnectionRef::in_group(group, index) })
}

/// The value of `OVERFLOW` of the socket with this cookie.
#[inline(always)]
fn overflow_value(cookie: u64) -> Option<OverflowRef> {
    let value = OVERFLOW.get_ptr_mut(&cookie)?;
    // SAFETY: this is a look-up.
    Some(unsafe { OverflowRef::new(value) })
}

/// The entry of the socket with this cookie in `OVERFLOW`.
#[inline(always)]
pub(crate) fn overflow(cookie: u64) -> Option<ConnectionRef> {
    Some(overflow_value(cookie)?.connection())
}

/// The entry of the socket with this cookie.
#[inline(always)]
pub(crate) fn lookup(cookie: u64) -> Option<ConnectionRef> {
    let first = probe(cookie, 0)?;
    if first.cookie().load() == cookie {
        return Some(first);
    }
    let elsewhere = Elsewhere::of(first);
    if elsewhere.is_none() {
        return None;
    }
    if elsewhere.displaced() {
        let nth = sockvs_lookup_displaced(cookie);
        if nth != 0 {
            return probe(cookie, nth);
        }
    }
    if elsewhere.overflowed() {
        return overflow(cookie);
    }
    None
}

/// Allocates an entry for the socket with this cookie, which has none.
#[inline(always)]
pub(super) fn alloc(cookie: u64) -> Option<ConnectionRef> {
    let first = probe(cookie, 0)?;
    if first.cookie().compare_exchange(0, cookie) {
        return Some(first);
    }
    let nth = sockvs_alloc_displaced(cookie);
    if nth != 0 {
        first.displaced().add(1);
        return probe(cookie, nth);
    }
    if sockvs_alloc_overflow(cookie) == 0 {
        return None;
    }
    first.overflowed().add(1);
    overflow(cookie)
}

/// A flag in the cookie of an entry: the walker that set it is about to free the entry. No socket
/// has such a cookie. The probe indexes are the same with it.
pub(crate) const CLAIMED: u64 = 1 << 63;

/// Frees an entry whose socket, which has this cookie, is gone. Where several walkers see that, one
/// of them frees it; an entry that another socket has by then is not touched.
#[inline(always)]
pub(crate) fn free_gone(entry: ConnectionRef, cookie: u64) {
    if entry.cookie().compare_exchange(cookie, cookie | CLAIMED) {
        free(cookie | CLAIMED);
    }
}

/// Frees the entry of the socket with this cookie.
#[inline(always)]
pub(crate) fn free(cookie: u64) {
    let Some(first) = probe(cookie, 0) else {
        return;
    };
    if first.cookie().load() == cookie {
        first.clear();
        return;
    }
    let elsewhere = Elsewhere::of(first);
    if elsewhere.displaced() {
        let nth = sockvs_lookup_displaced(cookie);
        if nth != 0
            && let Some(entry) = probe(cookie, nth)
        {
            entry.clear();
            first.displaced().sub(1);
            return;
        }
    }
    if elsewhere.overflowed() && sockvs_free_overflow(cookie & !CLAIMED) != 0 {
        first.overflowed().sub(1);
    }
}

/// The entry that the socket with this cookie probes as its `nth`.
#[inline(always)]
fn probe(cookie: u64, nth: u32) -> Option<ConnectionRef> {
    at(connection_index(
        cookie,
        nth,
        config::get(&CONNECTIONS_MASK),
    ))
}

/// How many of the connections that probe an entry first are elsewhere: both numbers in one word.
#[derive(Clone, Copy)]
struct Elsewhere(u64);

impl Elsewhere {
    #[inline(always)]
    fn of(first: ConnectionRef) -> Self {
        Self(first.displaced_and_overflowed())
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

/// Which of its other probes leads to the entry of the socket with this cookie; zero for none. A
/// global function, which the verifier checks once; so are those that follow.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_lookup_displaced(cookie: u64) -> u32 {
    for nth in 1..MAX_PROBES {
        if let Some(entry) = probe(cookie, nth)
            && entry.cookie().load() == cookie
        {
            return nth;
        }
    }
    0
}

/// Allocates the first free entry of its other probes; zero if there is none.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_alloc_displaced(cookie: u64) -> u32 {
    for nth in 1..MAX_PROBES {
        if let Some(entry) = probe(cookie, nth)
            && entry.cookie().compare_exchange(0, cookie)
        {
            return nth;
        }
    }
    0
}

/// Inserts the socket into `OVERFLOW`; zero if the map is full, or the user's share of it is used
/// up.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_alloc_overflow(cookie: u64) -> u32 {
    let user = shares::owner();
    let limit = config::get(&OVERFLOW_LIMIT);
    if !shares::charge(shares::Resource::Connections, user, limit) {
        return 0;
    }
    if OVERFLOW
        .insert(&cookie, &EMPTY, BPF_NOEXIST.into())
        .is_err()
    {
        shares::uncharge(shares::Resource::Connections, user);
        return 0;
    }
    let Some(value) = overflow_value(cookie) else {
        return 0;
    };
    value.set_owner(user);
    value.connection().cookie().swap(cookie);
    1
}

/// Removes the socket from `OVERFLOW`; zero if it is not there.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_free_overflow(cookie: u64) -> u32 {
    let Some(value) = overflow_value(cookie) else {
        return 0;
    };
    let user = value.owner();
    // A walker may still read the memory when the kernel reuses it for another entry.
    value.connection().clear();
    if OVERFLOW.remove(&cookie).is_err() {
        return 0;
    }
    shares::uncharge(shares::Resource::Connections, user);
    1
}
