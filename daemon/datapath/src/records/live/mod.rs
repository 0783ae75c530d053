//! Reads and writes records that eBPF programs may read at the same time.
//!
//! All unsafe access to the mapped records is here. Each method states which programs may access
//! the same words. The order of writes that brings a change into force is decided in `publish`.

mod destination;
mod service;

use std::{
    marker::PhantomData,
    ptr::NonNull,
    sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
};

use aya::Pod;
use sockvs_ipvs::Stats;

pub(crate) use self::destination::LiveDestination;
pub(crate) use self::service::LiveService;

use crate::records::chunks::Chunks;

/// Reads a slot.
pub(crate) fn slot(slots: &Chunks<u64>, at: u32) -> Option<u64> {
    // SAFETY: an aligned word of a mapping.
    slots
        .at(at)
        .map(|slot| unsafe { slot.as_ptr().read_volatile() })
}

/// Writes a slot that no selection in force refers to.
pub(crate) fn set_slot(slots: &Chunks<u64>, at: u32, word: u64) {
    if let Some(slot) = slots.at(at) {
        // SAFETY: an aligned word of a mapping; a program that still reads it compares generations.
        unsafe { slot.as_ptr().write_volatile(word) };
    }
}

/// A field of a record, which is mapped for `'a`.
#[derive(Clone, Copy)]
struct Field<'a, T> {
    place: NonNull<T>,
    mapping: PhantomData<&'a T>,
}

impl<T: Pod> Field<'_, T> {
    /// The field at this place.
    ///
    /// # Safety
    ///
    /// It is an aligned field of a record that stays mapped for `'a`.
    unsafe fn new(place: NonNull<T>) -> Self {
        Self {
            place,
            mapping: PhantomData,
        }
    }

    /// Reads plain data that only the daemon changes, or that it may see half changed.
    fn read(self) -> T {
        // SAFETY: the field is mapped (`new`), and any bytes are a value of its type.
        unsafe { self.place.as_ptr().read_volatile() }
    }

    /// Writes plain data that no program uses yet, or that programs validate.
    fn write(self, value: T) {
        // SAFETY: as in `read`.
        unsafe { self.place.as_ptr().write_volatile(value) };
    }
}

/// Fields that programs and daemon only change as a whole.
macro_rules! atomic {
    ($($number:ty => $atomic:ty)*) => {
        $(impl<'a> Field<'a, $number> {
            /// The field, for concurrent changes.
            fn atomic(self) -> &'a $atomic {
                // SAFETY: the field is aligned and mapped for `'a` (`new`), and is only changed as
                // a whole word.
                unsafe { <$atomic>::from_ptr(self.place.as_ptr()) }
            }
        })*
    };
}

atomic! { u8 => AtomicU8 u32 => AtomicU32 u64 => AtomicU64 }

/// A field of the record that `$live` stands for.
macro_rules! field {
    ($live:ident.$($field:tt)+) => {{
        let record = $live.record.as_ptr();
        // SAFETY: within the record, which is mapped for as long as its chunks are borrowed.
        let place = unsafe { std::ptr::addr_of_mut!((*record).$($field)+) };
        // SAFETY: as above; it is the address of a field, and so neither null nor unaligned.
        unsafe { $crate::records::live::Field::new(std::ptr::NonNull::new_unchecked(place)) }
    }};
}
use field;

/// `conns` and the counters that follow it, of the record that `$live` stands for.
macro_rules! counters {
    ($live:ident) => {
        $crate::records::live::Counters([
            field!($live.conns).atomic(),
            field!($live.inpkts).atomic(),
            field!($live.outpkts).atomic(),
            field!($live.inbytes).atomic(),
            field!($live.outbytes).atomic(),
        ])
    };
}
use counters;

/// What a record has counted. Programs count at the same time.
struct Counters<'a>([&'a AtomicU64; 5]);

impl Counters<'_> {
    /// Zeroes them. What a program counts at the same time comes before or after.
    fn zero(&self) {
        for counter in self.0 {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Whether anything was counted since they were zero.
    fn any(&self) -> bool {
        let counted = |counter: &&AtomicU64| counter.load(Ordering::Relaxed) > 0;
        self.0.iter().any(counted)
    }

    /// Their values. The rates are zero.
    fn stats(&self) -> Stats {
        let [conns, inpkts, outpkts, inbytes, outbytes] =
            self.0.map(|counter| counter.load(Ordering::Relaxed));
        Stats {
            conns,
            inpkts,
            outpkts,
            inbytes,
            outbytes,
            ..Stats::default()
        }
    }
}
