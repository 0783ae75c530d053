//! Reads a ring buffer without consuming anything. The daemon may consume records at the same time.

use std::{
    io,
    num::NonZeroUsize,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
};

use nix::{
    sys::mman::{MapFlags, ProtFlags, mmap, munmap},
    unistd::{SysconfVar, sysconf},
};
use sockvs_ebpf_common::netlink::RING_SIZE;

use super::record::{self, Abridged};

/// The bits of a record's length that mark it as being written or as discarded
/// (`BPF_RINGBUF_BUSY_BIT`, `BPF_RINGBUF_DISCARD_BIT`).
const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
/// The size of a record's header (`BPF_RINGBUF_HDR_SZ`).
const HEADER: usize = 8;
const SIZE: usize = RING_SIZE as usize;

/// A ring buffer of the hook, mapped read-only.
pub(super) struct Peek {
    /// A page with the daemon's consumer position.
    consumer: Mapping,
    /// A page with the hook's producer position, and the records, mapped twice in sequence.
    producer: Mapping,
    page: usize,
}

struct Mapping {
    start: NonNull<libc::c_void>,
    length: NonZeroUsize,
}

// SAFETY: the memory is only read, through atomics, or such that a value is used only if it was not
// written meanwhile; this holds on any thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(ring: BorrowedFd<'_>, offset: usize, length: usize) -> io::Result<Self> {
        let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
        let offset = i64::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: the kernel chooses an unused range, and refuses one beyond the ring buffer.
        let start = unsafe {
            mmap(
                None,
                length,
                ProtFlags::PROT_READ,
                MapFlags::MAP_SHARED,
                ring,
                offset,
            )
        }?;
        Ok(Self { start, length })
    }

    /// The position at the beginning of the page.
    fn position(&self) -> usize {
        // SAFETY: there is at least one page, and the kernel and the daemon write the word as a
        // whole.
        unsafe { self.start.cast::<AtomicUsize>().as_ref() }.load(Ordering::Acquire)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference into it is left.
        let unmapped = unsafe { munmap(self.start, self.length.get()) };
        debug_assert!(unmapped.is_ok(), "a mapping that was made can be removed");
    }
}

impl Peek {
    /// Maps this ring buffer.
    pub(super) fn open(ring: OwnedFd) -> io::Result<Self> {
        let page = sysconf(SysconfVar::PAGE_SIZE)?.unwrap_or(4096);
        let page = usize::try_from(page).map_err(io::Error::other)?;
        Ok(Self {
            consumer: Mapping::new(ring.as_fd(), 0, page)?,
            producer: Mapping::new(ring.as_fd(), page, page + 2 * SIZE)?,
            page,
        })
    }

    /// The records in it, abridged. Those that the daemon consumes meanwhile are left out.
    pub(super) fn records(&self) -> Vec<Abridged> {
        let mut records = Vec::new();
        let mut at = self.consumer.position();
        let end = self.producer.position();
        // The positions wrap around at the end of the address space.
        while at != end && end.wrapping_sub(at) <= SIZE {
            let header = self.header(at);
            let length = (header & !(BUSY | DISCARD)) as usize;
            if header & (BUSY | DISCARD) == 0 && length >= size_of::<Abridged>() {
                let record = self.record(at);
                // The kernel may overwrite what the daemon has consumed.
                let taken = self.consumer.position().wrapping_sub(at);
                if (taken == 0 || taken > SIZE)
                    && let Some(record) = record::abridge(&record)
                {
                    records.push(record);
                }
            }
            at = at.wrapping_add((HEADER + length).next_multiple_of(8));
        }
        records
    }

    /// How many bytes are in it, and how many it can hold.
    pub(super) fn fill(&self) -> (usize, usize) {
        // Read in this order, the difference is never negative.
        let at = self.consumer.position();
        (self.producer.position().wrapping_sub(at).min(SIZE), SIZE)
    }

    /// The record's header, which is in the first copy of the records.
    fn place(&self, at: usize) -> NonNull<u8> {
        // SAFETY: the mapping has a page and twice `SIZE` bytes.
        unsafe { self.producer.start.cast::<u8>().add(self.page + at % SIZE) }
    }

    fn header(&self, at: usize) -> u32 {
        // SAFETY: headers are aligned to eight bytes, and their first word is written as a whole.
        unsafe { self.place(at).cast::<AtomicU32>().as_ref() }.load(Ordering::Acquire)
    }

    fn record(&self, at: usize) -> Abridged {
        // SAFETY: the second copy follows the first one, so there is space for a header and this
        // part of a record.
        let record = unsafe { self.place(at).add(HEADER) }.cast::<Abridged>();
        // SAFETY: as above. Any bytes make a value.
        unsafe { record.read_unaligned() }
    }
}
