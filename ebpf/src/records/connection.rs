//! References to connections.

use core::ptr::addr_of_mut;

use sockvs_ebpf_common::{
    CONNECTIONS_PER_GROUP, Connection, ConnectionGroup, OverflowConnection, TcpCounters, UNCOUNTED,
};

use super::{
    access::{atomic, get, set, traffic},
    tuple::TupleRef,
};
use crate::atomic::{Atomic32, Atomic64};

/// A connection's entry, in `CONNECTIONS` or in `OVERFLOW`.
#[derive(Clone, Copy)]
pub(crate) struct ConnectionRef(*mut Connection);

impl ConnectionRef {
    /// An entry of a group; `nth` is taken modulo the group's size.
    ///
    /// # Safety
    ///
    /// A look-up returned `group`.
    #[inline(always)]
    pub(crate) unsafe fn in_group(group: *mut ConnectionGroup, nth: u32) -> Self {
        // SAFETY: a part of the group.
        let first = unsafe { addr_of_mut!((*group).connections) }.cast::<Connection>();
        // SAFETY: the index is below the length of the array.
        Self(unsafe { first.add((nth % CONNECTIONS_PER_GROUP) as usize) })
    }

    /// The argument of a function that the verifier checks by itself: it may be null.
    ///
    /// # Safety
    ///
    /// `entry` is null or what [`Self::as_ptr`] returned.
    #[inline(always)]
    pub(crate) unsafe fn from_argument(entry: *mut Connection) -> Option<Self> {
        (!entry.is_null()).then_some(Self(entry))
    }

    /// The entry, to be passed to such a function.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut Connection {
        self.0
    }

    /// The tuple.
    #[inline(always)]
    pub(crate) fn tuple(self) -> TupleRef {
        // SAFETY: a part of a map's value.
        unsafe { TupleRef::new(addr_of_mut!((*self.0).tuple)) }
    }

    /// How the connection is counted, and the flags beside that.
    #[inline(always)]
    pub(crate) fn counted(self) -> Atomic32 {
        self.tuple().counted()
    }

    /// The cookie of the socket whose entry it is; zero if it is free.
    #[inline(always)]
    pub(crate) fn cookie(self) -> Atomic64 {
        atomic!(Atomic64, self.cookie)
    }

    /// The kernel's address of the socket; null before the entry is initialised.
    #[inline(always)]
    pub(crate) fn socket(self) -> *const u8 {
        get!(self.socket) as *const u8
    }

    /// Sets that. Other processors see it after all that was written before.
    #[inline(always)]
    pub(crate) fn set_socket(self, socket: u64) {
        atomic!(Atomic64, self.socket).swap(socket);
    }

    /// How many connections that probe this entry first are at other indexes of `CONNECTIONS`.
    #[inline(always)]
    pub(crate) fn displaced(self) -> Atomic32 {
        atomic!(Atomic32, self.displaced)
    }

    /// How many connections that probe this entry first are in `OVERFLOW`.
    #[inline(always)]
    pub(crate) fn overflowed(self) -> Atomic32 {
        atomic!(Atomic32, self.overflowed)
    }

    /// `displaced` in the lower half and `overflowed` in the upper, in one read.
    #[inline(always)]
    pub(crate) fn displaced_and_overflowed(self) -> u64 {
        // SAFETY: two adjacent fields, together aligned like one of their combined size.
        unsafe {
            addr_of_mut!((*self.0).displaced)
                .cast::<u64>()
                .read_volatile()
        }
    }

    /// What the counters have of the connection's traffic already.
    #[inline(always)]
    pub(crate) fn claimed(self) -> TcpCounters {
        get!(self.claimed)
    }

    /// The same, as words to be changed.
    #[inline(always)]
    pub(crate) fn claimed_words(self) -> [Atomic64; 4] {
        traffic!(self.claimed)
    }

    /// Frees the entry. The cookie is cleared last: another socket that takes the entry then finds
    /// the other fields clean.
    #[inline(always)]
    pub(crate) fn clear(self) {
        self.counted().store(UNCOUNTED);
        set!(self.socket, 0);
        self.cookie().swap(0);
    }
}

/// A value of `OVERFLOW`.
#[derive(Clone, Copy)]
pub(crate) struct OverflowRef(*mut OverflowConnection);

impl OverflowRef {
    /// # Safety
    ///
    /// A look-up returned `value`.
    #[inline(always)]
    pub(crate) unsafe fn new(value: *mut OverflowConnection) -> Self {
        Self(value)
    }

    /// The entry, which is the value's first field.
    #[inline(always)]
    pub(crate) fn connection(self) -> ConnectionRef {
        ConnectionRef(self.0.cast())
    }

    /// The user whose share of the map it uses.
    #[inline(always)]
    pub(crate) fn owner(self) -> u32 {
        get!(self.owner)
    }

    /// Sets that.
    #[inline(always)]
    pub(crate) fn set_owner(self, owner: u32) {
        set!(self.owner, owner);
    }
}
