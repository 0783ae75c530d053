//! Counters that several processors change at once.
//!
//! The compiler has no atomic types with arithmetic for this target, but the instruction exists.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

/// Adds to a word; returns what it was.
#[inline(always)]
pub(crate) fn add(word: *mut u64, amount: u64) -> u64 {
    // SAFETY: every caller passes an aligned word of a record, which is never freed, and which
    // programs only change this way.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::AcqRel }>(word, amount) }
}

/// Takes one from a word; returns what it was.
#[inline(always)]
pub(crate) fn take_one(word: *mut u64) -> u64 {
    add(word, u64::MAX)
}
