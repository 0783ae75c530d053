//! The monotonic clock, which templates and flows expire by.

use aya_ebpf::helpers::bpf_ktime_get_ns;

/// How long after its time an entry is kept: a program may be about to prolong it. In nanoseconds.
pub(crate) const GRACE: u64 = 2_000_000_000;

/// The time in nanoseconds.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_ktime_get_ns() }
}
