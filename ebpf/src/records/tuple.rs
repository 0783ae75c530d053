//! References to connection tuples within connections and flows.

use sockvs_ebpf_common::ConnTuple;

use super::access::{atomic, get};
use crate::{address::Endpoint, atomic::Atomic32, mem};

/// The tuple of a connection or a flow.
#[derive(Clone, Copy)]
pub(crate) struct TupleRef(*mut ConnTuple);

impl TupleRef {
    /// # Safety
    ///
    /// `tuple` is part of a map's value.
    #[inline(always)]
    pub(super) unsafe fn new(tuple: *mut ConnTuple) -> Self {
        Self(tuple)
    }

    /// The tuple, to be passed to a function that the verifier checks by itself.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut ConnTuple {
        self.0
    }

    /// The tuple, of which only the owner's programs and a walker that holds the read lock write.
    #[inline(always)]
    pub(crate) fn as_ref<'a>(self) -> &'a ConnTuple {
        // SAFETY: see the module of records.
        unsafe { &*self.0 }
    }

    /// The virtual address and port.
    #[inline(always)]
    pub(crate) fn virtual_endpoint(self) -> Endpoint {
        let address = get!(self.vaddr);
        let port = get!(self.vport);
        Endpoint { address, port }
    }

    /// The destination's address and port.
    #[inline(always)]
    pub(crate) fn server(self) -> Endpoint {
        let address = get!(self.daddr);
        let port = get!(self.dport);
        Endpoint { address, port }
    }

    /// How the connection is counted, and the flags beside that.
    #[inline(always)]
    pub(crate) fn counted(self) -> Atomic32 {
        atomic!(Atomic32, self.counted)
    }

    /// Replaces the tuple.
    #[inline(always)]
    pub(crate) fn write(self, tuple: &ConnTuple) {
        // SAFETY: see the module of records.
        unsafe { mem::copy(self.0, tuple) };
    }
}
