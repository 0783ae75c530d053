//! Counters that several processors change at once.
//!
//! The compiler has no atomic types with arithmetic for this target, but the instructions exist.

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_or, atomic_xadd, atomic_xchg};

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

/// Sets bits of a word, unless they are.
#[inline(always)]
pub(crate) fn set_bits(word: *mut u64, bits: u64) {
    // SAFETY: every caller passes an aligned word of a map, read whole.
    if unsafe { word.read_volatile() } & bits != bits {
        // SAFETY: as above.
        unsafe { atomic_or::<u64, u64, { AtomicOrdering::Relaxed }>(word, bits) };
    }
}

/// Puts a number in the place of another; returns what was there.
#[inline(always)]
pub(crate) fn exchange(word: *mut u64, number: u64) -> u64 {
    // SAFETY: every caller passes an aligned word of what is known of a connection, which programs
    // only change this way while it is known.
    unsafe { atomic_xchg::<u64, { AtomicOrdering::SeqCst }>(word, number) }
}

/// As `exchange` with a word of half the size.
#[inline(always)]
pub(crate) fn exchange_half(word: *mut u32, number: u32) -> u32 {
    // SAFETY: as in `exchange`.
    unsafe { atomic_xchg::<u32, { AtomicOrdering::SeqCst }>(word, number) }
}

/// Adds to a word of half the size; returns what it was. Whatever other processors see of this one's
/// later steps, they see after it.
#[inline(always)]
pub(crate) fn add_half(word: *mut u32, amount: u32) -> u32 {
    // SAFETY: as in `exchange`.
    unsafe { atomic_xadd::<u32, u32, { AtomicOrdering::SeqCst }>(word, amount) }
}

/// As `replace` with a word of half the size.
#[inline(always)]
pub(crate) fn replace_half(word: *mut u32, old: u32, number: u32) -> bool {
    // SAFETY: as in `exchange`.
    let (found, _) = unsafe {
        atomic_cxchg::<u32, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
            word, old, number,
        )
    };
    found == old
}

/// As `exchange` if it is `old` that is there. Whether it was.
#[inline(always)]
pub(crate) fn replace(word: *mut u64, old: u64, number: u64) -> bool {
    // SAFETY: as in `exchange`.
    let (found, _) = unsafe {
        atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
            word, old, number,
        )
    };
    found == old
}
