//! Words of records that several processors change at once.
//!
//! The compiler has no atomic types with arithmetic for this target, but the instructions exist. An
//! [`Atomic64`] or [`Atomic32`] refers to a word in a map; `records` and `shares` make them.

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_or, atomic_xadd, atomic_xchg};

/// A 64-bit word of a map.
#[derive(Clone, Copy)]
pub(crate) struct Atomic64(*mut u64);

impl Atomic64 {
    /// # Safety
    ///
    /// `word` is an aligned word of a map's value. (The memory of a value stays mapped while a
    /// program runs, even if the entry is removed.)
    #[inline(always)]
    pub(crate) unsafe fn new(word: *mut u64) -> Self {
        Self(word)
    }

    /// Reads the word.
    #[inline(always)]
    pub(crate) fn load(self) -> u64 {
        // SAFETY: as promised to `new`; a word is read whole.
        unsafe { self.0.read_volatile() }
    }

    /// Writes the word, which no other processor changes at the same time.
    #[inline(always)]
    pub(crate) fn store(self, value: u64) {
        // SAFETY: as promised to `new`; a word is written whole.
        unsafe { self.0.write_volatile(value) };
    }

    /// Adds to the word; returns the old value.
    #[inline(always)]
    pub(crate) fn add(self, amount: u64) -> u64 {
        // SAFETY: as promised to `new`.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::AcqRel }>(self.0, amount) }
    }

    /// Subtracts one from the word; returns the old value.
    #[inline(always)]
    pub(crate) fn decrement(self) -> u64 {
        self.add(u64::MAX)
    }

    /// Sets bits of the word. Bits that are set already cost no write.
    #[inline(always)]
    pub(crate) fn set_bits(self, bits: u64) {
        if self.load() & bits != bits {
            // SAFETY: as promised to `new`.
            unsafe { atomic_or::<u64, u64, { AtomicOrdering::Relaxed }>(self.0, bits) };
        }
    }

    /// Replaces the word; returns the old value.
    #[inline(always)]
    pub(crate) fn swap(self, value: u64) -> u64 {
        // SAFETY: as promised to `new`.
        unsafe { atomic_xchg::<u64, { AtomicOrdering::SeqCst }>(self.0, value) }
    }

    /// Replaces the word if it is `old`; returns whether it was.
    #[inline(always)]
    pub(crate) fn compare_exchange(self, old: u64, new: u64) -> bool {
        // SAFETY: as promised to `new`.
        let (found, _) = unsafe {
            atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
                self.0, old, new,
            )
        };
        found == old
    }
}

/// A 32-bit word of a map.
#[derive(Clone, Copy)]
pub(crate) struct Atomic32(*mut u32);

impl Atomic32 {
    /// # Safety
    ///
    /// As for [`Atomic64::new`].
    #[inline(always)]
    pub(crate) unsafe fn new(word: *mut u32) -> Self {
        Self(word)
    }

    /// Reads the word.
    #[inline(always)]
    pub(crate) fn load(self) -> u32 {
        // SAFETY: as promised to `new`; a word is read whole.
        unsafe { self.0.read_volatile() }
    }

    /// Writes the word, which no other processor changes at the same time.
    #[inline(always)]
    pub(crate) fn store(self, value: u32) {
        // SAFETY: as promised to `new`; a word is written whole.
        unsafe { self.0.write_volatile(value) };
    }

    /// Adds to the word; returns the old value. Other processors see this before anything that this
    /// one does later.
    #[inline(always)]
    pub(crate) fn add(self, amount: u32) -> u32 {
        // SAFETY: as promised to `new`.
        unsafe { atomic_xadd::<u32, u32, { AtomicOrdering::SeqCst }>(self.0, amount) }
    }

    /// Subtracts from the word; returns the old value.
    #[inline(always)]
    pub(crate) fn sub(self, amount: u32) -> u32 {
        self.add(0_u32.wrapping_sub(amount))
    }

    /// Replaces the word; returns the old value.
    #[inline(always)]
    pub(crate) fn swap(self, value: u32) -> u32 {
        // SAFETY: as promised to `new`.
        unsafe { atomic_xchg::<u32, { AtomicOrdering::SeqCst }>(self.0, value) }
    }

    /// Replaces the word if it is `old`; returns whether it was.
    #[inline(always)]
    pub(crate) fn compare_exchange(self, old: u32, new: u32) -> bool {
        // SAFETY: as promised to `new`.
        let (found, _) = unsafe {
            atomic_cxchg::<u32, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
                self.0, old, new,
            )
        };
        found == old
    }
}
