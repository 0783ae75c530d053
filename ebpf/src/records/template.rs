//! References to persistence templates.

use sockvs_ebpf_common::{ConnTuple, Template};

use super::access::{atomic, get, set};
use crate::atomic::Atomic64;

/// A value of `TEMPLATES`.
#[derive(Clone, Copy)]
pub(crate) struct TemplateRef(*mut Template);

impl TemplateRef {
    /// # Safety
    ///
    /// A look-up returned `value`.
    #[inline(always)]
    pub(crate) unsafe fn new(value: *mut Template) -> Self {
        Self(value)
    }

    /// The whole template. Programs change it by whole words, or replace it.
    #[inline(always)]
    pub(crate) fn read(self) -> Template {
        // SAFETY: see the module of records; made of integers, so every bit pattern is a value.
        unsafe { self.0.read_volatile() }
    }

    /// How many connections it controls.
    #[inline(always)]
    pub(crate) fn n_control(self) -> Atomic64 {
        atomic!(Atomic64, self.n_control)
    }

    /// Sets when it expires.
    #[inline(always)]
    pub(crate) fn set_expires(self, expires: u64) {
        set!(self.expires, expires);
    }

    /// Whether it leads to the connection's destination, of the same service.
    #[inline(always)]
    pub(crate) fn controls(self, tuple: &ConnTuple) -> bool {
        get!(self.destination) == tuple.destination
            && get!(self.destination_use) == tuple.destination_use
            && get!(self.service) == tuple.service
            && get!(self.service_use) == tuple.service_use
    }
}
