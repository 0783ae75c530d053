//! Copying and clearing records word by word: of a plain copy the compiler makes a call to a function that goes
//! byte by byte.

use core::ptr::addr_of;

/// Writes a record that consists of words, none of which is padding, to where there is room for it.
#[inline(always)]
pub(crate) fn copy<T: Copy>(to: *mut T, from: &T) {
    let words = size_of::<T>() / size_of::<u32>();
    let from = addr_of!(*from).cast::<u32>();
    let to = to.cast::<u32>();
    for word in 0..words {
        // SAFETY: the record consists of this many words.
        let value = unsafe { from.add(word).read() };
        // SAFETY: callers pass a place that is as long.
        unsafe { to.add(word).write_volatile(value) };
    }
}

/// Makes all words of a record zero.
#[inline(always)]
pub(crate) fn clear<T: Copy>(record: *mut T) {
    let record = record.cast::<u64>();
    for word in 0..size_of::<T>() / size_of::<u64>() {
        // SAFETY: callers pass a record that consists of this many words.
        let word = unsafe { record.add(word) };
        // SAFETY: as above.
        unsafe { word.write_volatile(0) };
    }
}
