//! References to flows of datagrams.

use core::ptr::addr_of_mut;

use sockvs_ebpf_common::Flow;

use super::{
    access::{atomic, get, set},
    tuple::TupleRef,
};
use crate::atomic::{Atomic32, Atomic64};

/// A flow's entry in `FLOWS`.
#[derive(Clone, Copy)]
pub(crate) struct FlowRef(*mut Flow);

impl FlowRef {
    /// # Safety
    ///
    /// A look-up returned `entry`.
    #[inline(always)]
    pub(crate) unsafe fn new(entry: *mut Flow) -> Self {
        Self(entry)
    }

    /// A parameter of a function; null stands for none.
    ///
    /// # Safety
    ///
    /// `entry` is null or what [`Self::as_ptr`] returned.
    #[inline(always)]
    pub(crate) unsafe fn from_argument(entry: *mut Flow) -> Option<Self> {
        (!entry.is_null()).then_some(Self(entry))
    }

    /// The entry, to be passed to such a function.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut Flow {
        self.0
    }

    /// The tuple.
    #[inline(always)]
    pub(crate) fn tuple(self) -> TupleRef {
        // SAFETY: a part of a map's value.
        unsafe { TupleRef::new(addr_of_mut!((*self.0).tuple)) }
    }

    /// When the last datagram was sent.
    #[inline(always)]
    pub(crate) fn last(self) -> u64 {
        get!(self.last)
    }

    /// A datagram was sent.
    #[inline(always)]
    pub(crate) fn touch(self, now: u64) {
        set!(self.last, now);
    }

    /// Of a socket's first flow: how many flows the socket has ever started.
    #[inline(always)]
    pub(crate) fn started(self) -> u64 {
        get!(self.started)
    }

    /// Sets that.
    #[inline(always)]
    pub(crate) fn set_started(self, started: u64) {
        set!(self.started, started);
    }

    /// Of a socket's first flow: when the socket last sent a datagram to a service.
    #[inline(always)]
    pub(crate) fn used(self) -> Atomic64 {
        atomic!(Atomic64, self.used)
    }

    /// The kernel's address of the socket.
    #[inline(always)]
    pub(crate) fn socket(self) -> *const u8 {
        get!(self.socket) as *const u8
    }

    /// Sets that.
    #[inline(always)]
    pub(crate) fn set_socket(self, socket: u64) {
        set!(self.socket, socket);
    }

    /// The socket's cookie; zero until the entry is initialised.
    #[inline(always)]
    pub(crate) fn cookie(self) -> Atomic64 {
        atomic!(Atomic64, self.cookie)
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

    /// Of a socket's first flow: whether the socket's flows are being removed.
    #[inline(always)]
    pub(crate) fn removing(self) -> Atomic32 {
        atomic!(Atomic32, self.removing)
    }
}
