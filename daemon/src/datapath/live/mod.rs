//! Reading and writing records that the eBPF programs may be looking at.
//!
//! All unsafe access to the mapped records is here. Each method says who else may look at the words
//! it touches. In what order things are done to bring a change into force is decided in `publish`.

mod destination;
mod service;

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

pub(super) use self::destination::LiveDestination;
pub(super) use self::service::LiveService;

use super::chunks::Chunks;

/// Reads a slot.
pub(super) fn slot(slots: &Chunks<u64>, at: u32) -> Option<u64> {
    // SAFETY: an aligned word of a mapping.
    slots
        .at(at)
        .map(|slot| unsafe { slot.as_ptr().read_volatile() })
}

/// Writes a slot that no selection in force leads to.
pub(super) fn set_slot(slots: &Chunks<u64>, at: u32, word: u64) {
    if let Some(slot) = slots.at(at) {
        // SAFETY: an aligned word of a mapping; a program that still reads it compares generations.
        unsafe { slot.as_ptr().write_volatile(word) };
    }
}

/// A word of a record that both sides only ever change whole.
fn word32<'a>(word: *mut u32) -> &'a AtomicU32 {
    // SAFETY: callers pass an aligned field of a record, which is mapped for as long as the value
    // that they give the reference to is borrowed.
    unsafe { AtomicU32::from_ptr(word) }
}

/// As `word32`.
fn byte<'a>(byte: *mut u8) -> &'a AtomicU8 {
    // SAFETY: as in `word32`.
    unsafe { AtomicU8::from_ptr(byte) }
}

/// As `word32`.
fn word64<'a>(word: *mut u64) -> &'a AtomicU64 {
    // SAFETY: as in `word32`.
    unsafe { AtomicU64::from_ptr(word) }
}

/// Plain data that only the daemon changes.
fn read<T>(field: *const T) -> T {
    // SAFETY: callers pass a field of a record, all of whose bytes are initialised.
    unsafe { field.read_volatile() }
}

/// Plain data that no program follows yet.
fn write<T>(field: *mut T, value: T) {
    // SAFETY: callers pass a field of a record; what programs may still see of it they check.
    unsafe { field.write_volatile(value) };
}
