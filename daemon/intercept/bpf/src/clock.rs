//! The clock that the hook uses, too: `CLOCK_MONOTONIC`, in nanoseconds.

use nix::time::{ClockId, clock_gettime};

/// The current time.
pub(super) fn now() -> u64 {
    let now =
        clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(now.tv_sec())
        .saturating_mul(1_000_000_000)
        .saturating_add(part(now.tv_nsec()))
}
