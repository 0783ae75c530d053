//! Copying and zeroing records in words. The compiler turns a plain copy into a call to `memcpy`,
//! which on this target copies byte by byte.

use core::ptr::from_ref;

/// Copies a record that consists of 32-bit words without padding.
///
/// # Safety
///
/// `to` can be written for the size of a `T`.
#[inline(always)]
pub(crate) unsafe fn copy<T: Copy>(to: *mut T, from: &T) {
    let words = size_of::<T>() / size_of::<u32>();
    let from = from_ref(from).cast::<u32>();
    let to = to.cast::<u32>();
    for word in 0..words {
        // SAFETY: the record consists of this many words.
        let value = unsafe { from.add(word).read() };
        // SAFETY: as the caller promises.
        unsafe { to.add(word).write_volatile(value) };
    }
}

/// Zeroes a record that consists of 64-bit words.
///
/// # Safety
///
/// `record` can be written for the size of a `T`, for which zeros are a value.
#[inline(always)]
pub(crate) unsafe fn zero<T: Copy>(record: *mut T) {
    let record = record.cast::<u64>();
    for word in 0..size_of::<T>() / size_of::<u64>() {
        // SAFETY: the record consists of this many words.
        let word = unsafe { record.add(word) };
        // SAFETY: as the caller promises.
        unsafe { word.write_volatile(0) };
    }
}
