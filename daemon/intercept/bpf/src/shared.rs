//! Memory that the daemon and its guard share: the requests that were consumed and not answered
//! yet, and times and counters of the two.
//!
//! A request belongs to the daemon, or the guard has claimed it; they never both answer it. A claim
//! is one compare-exchange on the state of its slot. The state includes a number that differs for
//! each request in the same slot.

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

/// How many requests can be entered. Each client waits for the answer to one; further requests are
/// served, but not answered if the daemon is killed.
pub(super) const SLOTS: usize = 4096;
/// The size of the memory.
const LENGTH: usize = size_of::<Contents>();

/// The states of a slot, in the lowest bits. The number is above them.
const STATE: u64 = 3;
const FREE: u64 = 0;
const HELD: u64 = 1;
const CLAIMED: u64 = 2;
const NEXT: u64 = STATE + 1;

#[repr(C)]
struct Contents {
    /// The time of the daemon's last heartbeat.
    heartbeat: AtomicU64,
    /// Requests that arrived until this time, and were not being served then, are left to the
    /// guard.
    horizon: AtomicU64,
    /// How many requests the daemon has left to the guard.
    left: AtomicU64,
    slots: [Slot; SLOTS],
}

#[repr(C)]
struct Slot {
    state: AtomicU64,
    record: UnsafeCell<Abridged>,
}

/// The mapped memory.
pub(super) struct Shared {
    file: File,
    contents: NonNull<Contents>,
}

// SAFETY: all but the records is atomic. A record is written only by the owner of the slot while
// the slot is free, and a copy of it is used only if the slot's state has not changed meanwhile.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and every reference into it came from the value that is
        // dropped.
        let unmapped = unsafe { munmap(self.contents.cast(), LENGTH) };
        debug_assert!(unmapped.is_ok(), "a mapping that was made can be removed");
    }
}

impl Shared {
    /// New memory, without requests.
    pub(super) fn new() -> io::Result<Self> {
        let file: File = memfd_create("sockvs-ledger", MFdFlags::MFD_CLOEXEC)?.into();
        file.set_len(LENGTH as u64)?;
        Self::map(file)
    }

    /// Maps the memory that another process created.
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
        // SAFETY: the kernel chooses an unused range; the file is as long, and never truncated.
        let contents = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &file, 0) }?;
        Ok(Self {
            file,
            contents: contents.cast(),
        })
    }

    /// Duplicates its descriptor.
    pub(super) fn share(&self) -> io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }

    fn contents(&self) -> &Contents {
        // SAFETY: the mapping is as long, aligned to a page, and initially zero, which is a valid
        // value. Whatever other processes change is atomic, or in a cell.
        unsafe { self.contents.as_ref() }
    }

    fn slot(&self, number: usize) -> Option<&Slot> {
        self.contents().slots.get(number)
    }

    /// The time of the daemon's last heartbeat.
    pub(super) fn heartbeat(&self) -> u64 {
        self.contents().heartbeat.load(Ordering::Acquire)
    }

    /// Writes the daemon's heartbeat.
    pub(super) fn beat(&self, now: u64) {
        self.contents().heartbeat.store(now, Ordering::Release);
    }

    /// The time until which requests are left to the guard.
    pub(super) fn horizon(&self) -> u64 {
        // Orders earlier writes of the daemon before this read: see `raise_horizon`.
        fence(Ordering::SeqCst);
        self.contents().horizon.load(Ordering::Acquire)
    }

    /// From now on, requests that arrived until `now` are left to the guard, except those that the
    /// daemon is already serving. The daemon has entered those already, so the caller must read the
    /// ring buffers first, and then the entries.
    pub(super) fn raise_horizon(&self, now: u64) {
        self.contents().horizon.store(now, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// How many requests the daemon has left to the guard.
    pub(super) fn left(&self) -> u64 {
        self.contents().left.load(Ordering::Acquire)
    }

    /// Counts one more request as left to the guard.
    pub(super) fn leave_one(&self) {
        self.contents().left.fetch_add(1, Ordering::AcqRel);
    }

    /// Enters a request in a free slot, which only the caller may use. Returns the value to pass to
    /// [`is_held`](Self::is_held).
    pub(super) fn write(&self, number: usize, record: Abridged) -> u64 {
        let Some(slot) = self.slot(number) else {
            return FREE;
        };
        // SAFETY: the slot is the caller's, and while it is free nothing else uses the record.
        unsafe { slot.record.get().write_volatile(record) };
        let held = (slot.state.load(Ordering::Relaxed) & !STATE).wrapping_add(NEXT) | HELD;
        slot.state.store(held, Ordering::Release);
        held
    }

    /// Whether a request that was entered still belongs to the daemon.
    pub(super) fn is_held(&self, number: usize, held: u64) -> bool {
        self.slot(number)
            .is_some_and(|slot| slot.state.load(Ordering::Acquire) == held)
    }

    /// Removes a request.
    pub(super) fn strike_out(&self, number: usize, held: u64) {
        if let Some(slot) = self.slot(number) {
            slot.state.store(held & !STATE | FREE, Ordering::Release);
        }
    }

    /// Claims a request for the guard, if the slot holds one for which `wanted` returns true.
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
        // SAFETY: if the slot is written meanwhile, the copy is not used, as the exchange fails.
        // Any bytes are a valid value.
        unsafe { std::ptr::copy(slot.record.get().cast_const(), &raw mut record, 1) };
        let claimed = held & !STATE | CLAIMED;
        let claim = || {
            slot.state
                .compare_exchange(held, claimed, Ordering::AcqRel, Ordering::Relaxed)
        };
        (wanted(&record) && claim().is_ok()).then_some(record)
    }
}
