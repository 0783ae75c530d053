//! Looks into a ring buffer without taking anything out of it. The daemon, whose it is, may go on
//! taking meanwhile.

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

/// The bits of a record's length that say that it is being written, or means nothing
/// (`BPF_RINGBUF_BUSY_BIT`, `BPF_RINGBUF_DISCARD_BIT`).
const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
/// What comes before a record (`BPF_RINGBUF_HDR_SZ`).
const HEADER: usize = 8;
const SIZE: usize = RING_SIZE as usize;

/// A ring buffer of the hook's, mapped.
pub(super) struct Peek {
    /// A page with the place up to which the daemon has taken records.
    consumer: Mapping,
    /// A page with the place up to which the hook has put records, and the records, twice one after
    /// the other.
    producer: Mapping,
    page: usize,
}

struct Mapping {
    start: NonNull<libc::c_void>,
    length: NonZeroUsize,
}

// SAFETY: the memory is only read, through atomics or where what was read counts only if it is
// known not to have been written meanwhile; from which thread does not matter.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(ring: BorrowedFd<'_>, offset: usize, length: usize) -> io::Result<Self> {
        let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
        let offset = i64::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: the kernel chooses an unused range, and refuses what the ring buffer has not.
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

    /// The word at the beginning.
    fn position(&self) -> usize {
        // SAFETY: there is a page at least, and the kernel and the daemon write the word as a
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
    /// Looks into this ring buffer.
    pub(super) fn open(ring: OwnedFd) -> io::Result<Self> {
        let page = sysconf(SysconfVar::PAGE_SIZE)?.unwrap_or(4096);
        let page = usize::try_from(page).map_err(io::Error::other)?;
        Ok(Self {
            consumer: Mapping::new(ring.as_fd(), 0, page)?,
            producer: Mapping::new(ring.as_fd(), page, page + 2 * SIZE)?,
            page,
        })
    }

    /// The records in it, as far as they go. Those that the daemon takes out meanwhile are left
    /// out.
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
                // The kernel may write where the daemon has taken something out.
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

    /// How many bytes are in it, and how many there is room for.
    pub(super) fn fill(&self) -> (usize, usize) {
        // In this order, what is in it never seems less than nothing.
        let at = self.consumer.position();
        (self.producer.position().wrapping_sub(at).min(SIZE), SIZE)
    }

    /// Where the record's header is: below the end of the records' first copy.
    fn place(&self, at: usize) -> NonNull<u8> {
        // SAFETY: the mapping has a page and twice `SIZE` bytes.
        unsafe { self.producer.start.cast::<u8>().add(self.page + at % SIZE) }
    }

    fn header(&self, at: usize) -> u32 {
        // SAFETY: headers are aligned to eight bytes, and their first word is written as a whole.
        unsafe { self.place(at).cast::<AtomicU32>().as_ref() }.load(Ordering::Acquire)
    }

    fn record(&self, at: usize) -> Abridged {
        // SAFETY: the second copy comes behind the first one, so there is room for a header and
        // this much of a record.
        let record = unsafe { self.place(at).add(HEADER) }.cast::<Abridged>();
        // SAFETY: as above. Any bytes make a value.
        unsafe { record.read_unaligned() }
    }
}
