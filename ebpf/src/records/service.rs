//! References to services, their selections and their scheduling parameters.

use core::ptr::{addr_of, addr_of_mut};

use sockvs_ebpf_common::{STATE_LIVE, SchedParams, Selection, Service, ServiceKey};

use super::access::{atomic, get, traffic};
use crate::atomic::{Atomic32, Atomic64};

/// A service's record.
#[derive(Clone, Copy)]
pub(crate) struct ServiceRef(*mut Service);

impl ServiceRef {
    /// # Safety
    ///
    /// A look-up returned `record`.
    #[inline(always)]
    pub(crate) unsafe fn new(record: *mut Service) -> Self {
        Self(record)
    }

    /// The argument of a function that the verifier checks by itself: it may be null.
    ///
    /// # Safety
    ///
    /// `record` is null or what [`Self::as_ptr`] returned.
    #[inline(always)]
    pub(crate) unsafe fn from_argument(record: *mut Service) -> Option<Self> {
        (!record.is_null()).then_some(Self(record))
    }

    /// The record, to be passed to such a function.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut Service {
        self.0
    }

    /// Which selection and which parameters are in force: it changes with each edit.
    #[inline(always)]
    pub(crate) fn generation(self) -> u64 {
        get!(self.generation)
    }

    /// The selection in force in this generation.
    #[inline(always)]
    pub(crate) fn selection(self, generation: u64) -> SelectionRef {
        // SAFETY: both selections are within the record.
        let selections = unsafe { addr_of_mut!((*self.0).selections) }.cast::<Selection>();
        // SAFETY: the index is zero or one.
        SelectionRef(unsafe { selections.add((generation & 1) as usize) })
    }

    /// The scheduling parameters in force.
    #[inline(always)]
    pub(crate) fn params(self) -> SchedParamsRef {
        let generation = self.generation();
        // SAFETY: both are within the record.
        let both = unsafe { addr_of!((*self.0).params) }.cast::<SchedParams>();
        // SAFETY: the index is zero or one.
        SchedParamsRef(unsafe { both.add((generation & 1) as usize) })
    }

    /// The key. It changes only when the record becomes another service's.
    #[inline(always)]
    pub(crate) fn key(self) -> ServiceKey {
        get!(self.key)
    }

    /// Whether the record's key is this one. (Word by word: the derived comparison becomes a call
    /// to `memcmp`.)
    #[inline(always)]
    pub(crate) fn has_key(self, key: &ServiceKey) -> bool {
        get!(self.key.netns) == key.netns
            && get!(self.key.address[0]) == key.address[0]
            && get!(self.key.address[1]) == key.address[1]
            && get!(self.key.address[2]) == key.address[2]
            && get!(self.key.address[3]) == key.address[3]
            && get!(self.key.port) == key.port
            && get!(self.key.protocol) == key.protocol
            && get!(self.key.family) == key.family
    }

    /// The port, network order.
    #[inline(always)]
    pub(crate) fn port(self) -> u16 {
        get!(self.key.port)
    }

    /// The address family.
    #[inline(always)]
    pub(crate) fn family(self) -> u8 {
        get!(self.key.family)
    }

    /// Which use of the record this is.
    #[inline(always)]
    pub(crate) fn use_number(self) -> u32 {
        get!(self.use_number)
    }

    /// Whether the service is in the table.
    #[inline(always)]
    pub(crate) fn is_live(self) -> bool {
        get!(self.state) == STATE_LIVE
    }

    /// How long a flow lasts without a datagram, in nanoseconds.
    #[inline(always)]
    pub(crate) fn udp_timeout(self) -> u64 {
        get!(self.udp_timeout)
    }

    /// How many templates the service has.
    #[inline(always)]
    pub(crate) fn templates(self) -> Atomic32 {
        atomic!(Atomic32, self.templates)
    }

    /// Connections that were scheduled.
    #[inline(always)]
    pub(crate) fn conns(self) -> Atomic64 {
        atomic!(Atomic64, self.conns)
    }

    /// Packets and bytes, in the order of `TcpCounters`.
    #[inline(always)]
    pub(crate) fn traffic(self) -> [Atomic64; 4] {
        traffic!(self)
    }
}

/// A service's scheduling parameters.
#[derive(Clone, Copy)]
pub(crate) struct SchedParamsRef(*const SchedParams);

impl SchedParamsRef {
    /// `SCHED_*`.
    #[inline(always)]
    pub(crate) fn flags(self) -> u32 {
        get!(self.flags)
    }

    /// How long a template lasts, in nanoseconds.
    #[inline(always)]
    pub(crate) fn persistence(self) -> u64 {
        SchedParams::persistence(get!(self.jiffies))
    }

    /// The persistence mask.
    #[inline(always)]
    pub(crate) fn netmask(self) -> u32 {
        get!(self.netmask)
    }
}

/// One of a service's two selections.
#[derive(Clone, Copy)]
pub(crate) struct SelectionRef(*mut Selection);

impl SelectionRef {
    /// The whole selection. The daemon may be changing it: compare the service's generation before
    /// and after.
    #[inline(always)]
    pub(crate) fn read(self) -> Selection {
        // SAFETY: see the module; made of integers, so every bit pattern is a value.
        unsafe { self.0.read_volatile() }
    }

    /// The kind, read anew, so that the verifier knows nothing about it.
    #[inline(always)]
    pub(crate) fn kind(self) -> u32 {
        get!(self.kind)
    }

    /// Zero, but the verifier does not know it: a constant that is added to it is unknown as well.
    ///
    /// Until Linux 6.7 the verifier follows the callback of `bpf_loop` once, with what its caller
    /// put on the stack, and treats as dead code what only a later iteration would reach. So
    /// whatever a callback compares must come from a record.
    #[inline(always)]
    pub(crate) fn hidden_zero(self) -> u32 {
        get!(self.zero)
    }

    /// The cursor.
    #[inline(always)]
    pub(crate) fn cursor(self) -> Atomic64 {
        atomic!(Atomic64, self.cursor)
    }
}
