//! Memory that the daemon and its guard both have: the requests that were taken and not answered
//! yet, and what the two have to tell each other.
//!
//! A request belongs to the daemon, or the guard has claimed it; never both answer it. A claim is
//! one compare-exchange on the state of its slot. The state has a number, too, that is another one
//! for each request in the same slot.

use std::{
    cell::UnsafeCell,
    fs::File,
    io,
    num::NonZeroUsize,
    os::fd::OwnedFd,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering, fence},
};

use nix::sys::{
    memfd::{MFdFlags, memfd_create},
    mman::{MapFlags, ProtFlags, mmap, munmap},
};

use super::record::{Abridged, BLANK};

/// How many requests can be written down. Each client waits for the answer to one; should there be
/// more, the rest are served, but nobody answers them if the daemon is killed.
pub(super) const SLOTS: usize = 4096;
/// Of the whole.
const LENGTH: usize = size_of::<Contents>();

/// The states of a slot, in the lowest bits. Above them is the number.
const STATE: u64 = 3;
const FREE: u64 = 0;
const HELD: u64 = 1;
const CLAIMED: u64 = 2;
const NEXT: u64 = STATE + 1;

#[repr(C)]
struct Contents {
    /// When the daemon last gave a sign of life.
    heartbeat: AtomicU64,
    /// What arrived until then, and was in nobody's hands at that time, is the guard's.
    horizon: AtomicU64,
    /// How many requests the daemon has found to be the guard's.
    left: AtomicU64,
    slots: [Slot; SLOTS],
}

#[repr(C)]
struct Slot {
    state: AtomicU64,
    record: UnsafeCell<Abridged>,
}

/// The memory, mapped.
pub(super) struct Shared {
    file: File,
    contents: NonNull<Contents>,
}

// SAFETY: all but the records is atomic. A record is written only by who has the slot while it is
// free, and what is read of it counts only if the slot's state has not changed meanwhile.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and every reference into it came from the value that ends.
        let unmapped = unsafe { munmap(self.contents.cast(), LENGTH) };
        debug_assert!(unmapped.is_ok(), "a mapping that was made can be removed");
    }
}

impl Shared {
    /// New memory, in which nothing is written down.
    pub(super) fn new() -> io::Result<Self> {
        let file: File = memfd_create("sockvs-ledger", MFdFlags::MFD_CLOEXEC)?.into();
        file.set_len(LENGTH as u64)?;
        Self::map(file)
    }

    /// What another process made.
    pub(super) fn of(file: OwnedFd) -> io::Result<Self> {
        let file = File::from(file);
        if file.metadata()?.len() != LENGTH as u64 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Self::map(file)
    }

    fn map(file: File) -> io::Result<Self> {
        let length = NonZeroUsize::new(LENGTH).ok_or(io::ErrorKind::InvalidInput)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses an unused range; the file is as long, and nobody makes it
        // shorter.
        let contents = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &file, 0) }?;
        Ok(Self {
            file,
            contents: contents.cast(),
        })
    }

    /// Another descriptor for it.
    pub(super) fn share(&self) -> io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }

    fn contents(&self) -> &Contents {
        // SAFETY: the mapping is as long, aligned to a page, and made of zeros, which are a value.
        // What others change of it meanwhile is atomic, or in a cell.
        unsafe { self.contents.as_ref() }
    }

    fn slot(&self, number: usize) -> Option<&Slot> {
        self.contents().slots.get(number)
    }

    /// When the daemon last gave a sign of life.
    pub(super) fn heartbeat(&self) -> u64 {
        self.contents().heartbeat.load(Ordering::Acquire)
    }

    /// The daemon gives a sign of life.
    pub(super) fn beat(&self, now: u64) {
        self.contents().heartbeat.store(now, Ordering::Release);
    }

    /// Until when requests are the guard's.
    pub(super) fn horizon(&self) -> u64 {
        // What the daemon did before must not seem to come after: see `raise_horizon`.
        fence(Ordering::SeqCst);
        self.contents().horizon.load(Ordering::Acquire)
    }

    /// From now on requests that arrived until `now` are the guard's, but for those that the daemon
    /// has begun to serve. It has written those down already, so the ring buffers are to be looked
    /// through first, and then what is written down.
    pub(super) fn raise_horizon(&self, now: u64) {
        self.contents().horizon.store(now, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// How many requests the daemon has found to be the guard's.
    pub(super) fn left(&self) -> u64 {
        self.contents().left.load(Ordering::Acquire)
    }

    /// The daemon has found one more.
    pub(super) fn leave_one(&self) {
        self.contents().left.fetch_add(1, Ordering::AcqRel);
    }

    /// Writes a request down in a free slot, which only the caller has. Gives what tells that it
    /// [is held](Self::is_held).
    pub(super) fn write(&self, number: usize, record: Abridged) -> u64 {
        let Some(slot) = self.slot(number) else {
            return FREE;
        };
        // SAFETY: the slot is the caller's, and while it is free nobody makes use of the record.
        unsafe { slot.record.get().write_volatile(record) };
        let held = (slot.state.load(Ordering::Relaxed) & !STATE).wrapping_add(NEXT) | HELD;
        slot.state.store(held, Ordering::Release);
        held
    }

    /// Whether a request that was written down is the daemon's still.
    pub(super) fn is_held(&self, number: usize, held: u64) -> bool {
        self.slot(number)
            .is_some_and(|slot| slot.state.load(Ordering::Acquire) == held)
    }

    /// Strikes a request out.
    pub(super) fn strike_out(&self, number: usize, held: u64) {
        if let Some(slot) = self.slot(number) {
            slot.state.store(held & !STATE | FREE, Ordering::Release);
        }
    }

    /// Claims a request for the guard, if one is held there that `wanted` agrees to.
    pub(super) fn claim(
        &self,
        number: usize,
        wanted: impl FnOnce(&Abridged) -> bool,
    ) -> Option<Abridged> {
        let slot = self.slot(number)?;
        let held = slot.state.load(Ordering::Acquire);
        if held & STATE != HELD {
            return None;
        }
        let mut record = BLANK;
        // SAFETY: should the slot be written meanwhile, then what is read is not used: the exchange
        // fails. Any bytes make a value.
        unsafe { std::ptr::copy(slot.record.get().cast_const(), &raw mut record, 1) };
        let claimed = held & !STATE | CLAIMED;
        let claim = || {
            slot.state
                .compare_exchange(held, claimed, Ordering::AcqRel, Ordering::Relaxed)
        };
        (wanted(&record) && claim().is_ok()).then_some(record)
    }
}
