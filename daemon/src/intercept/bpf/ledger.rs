//! What is taken but not answered yet, written down where it outlives the daemon, for the
//! [`guard`](super::guard): in memory that both have.

use std::{
    fs::File,
    io,
    mem::offset_of,
    num::NonZeroUsize,
    os::{fd::OwnedFd, unix::fs::FileExt as _},
    ptr::NonNull,
    sync::{Arc, Mutex, PoisonError},
};

use nix::sys::{
    memfd::{MFdFlags, memfd_create},
    mman::{MapFlags, ProtFlags, mmap, munmap},
};
use sockvs_ebpf_common::netlink::Taken;

/// How many requests can be written down. Each client waits for the answer to one; should there be
/// more, the rest are served, but nobody answers them if the daemon is killed.
const SLOTS: usize = 4096;
/// The record's header and that of its first message.
const SLOT: usize = size_of::<Taken>() + NLMSG_HDRLEN;
const NLMSG_HDRLEN: usize = 16;
/// Of the whole.
const LENGTH: usize = SLOTS * SLOT;

/// The daemon's end.
pub(super) struct Ledger {
    file: File,
    /// The file's contents, mapped.
    slots: NonNull<[u8; SLOT]>,
    free: Mutex<Vec<usize>>,
}

// SAFETY: a slot is written by whoever took its number from `free`, and by nobody else until it is given
// back; the daemon never reads them.
unsafe impl Send for Ledger {}
// SAFETY: as above.
unsafe impl Sync for Ledger {}

impl Drop for Ledger {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and each entry keeps the ledger.
        let unmapped = unsafe { munmap(self.slots.cast(), LENGTH) };
        debug_assert!(unmapped.is_ok(), "a mapping that was made can be removed");
    }
}

/// A request that is written down. The end of this value strikes it out.
struct Entry {
    ledger: Arc<Ledger>,
    slot: usize,
}

impl Ledger {
    /// An empty one, in memory.
    pub(super) fn new() -> io::Result<Self> {
        let file: File = memfd_create("sockvs-ledger", MFdFlags::MFD_CLOEXEC)?.into();
        file.set_len(LENGTH as u64)?;
        let length = NonZeroUsize::new(LENGTH).ok_or(io::ErrorKind::InvalidInput)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses an unused range; the file is as long, and nobody makes it shorter.
        let slots = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &file, 0) }?;
        Ok(Self {
            file,
            slots: slots.cast(),
            free: Mutex::new((0..SLOTS).rev().collect()),
        })
    }

    /// Another descriptor for it.
    pub(super) fn share(&self) -> io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }

    /// Writes down the request of a record. What is returned strikes it out when it ends.
    pub(super) fn enter(self: &Arc<Self>, record: &[u8]) -> Box<dyn Send> {
        let entry = || {
            let mut slot = *record.first_chunk::<SLOT>()?;
            let length = u32::try_from(NLMSG_HDRLEN).ok()?.to_ne_bytes();
            let at = offset_of!(Taken, length);
            slot.get_mut(at..at + length.len())?
                .copy_from_slice(&length);
            let entry = Entry {
                ledger: Arc::clone(self),
                slot: self.free().pop()?,
            };
            self.write(entry.slot, slot);
            Some(entry)
        };
        Box::new(entry())
    }

    /// Writes a slot. (A guard that finds half of it finds a daemon that was killed before it had taken
    /// the request out of the ring buffer, or after it had answered.)
    fn write(&self, slot: usize, contents: [u8; SLOT]) {
        // SAFETY: numbers of slots are below `SLOTS`.
        let place = unsafe { self.slots.add(slot) };
        // SAFETY: the slot is the caller's (see `Send`).
        unsafe { place.write_volatile(contents) };
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ledger.write(self.slot, [0; SLOT]);
        self.ledger.free().push(self.slot);
    }
}

/// The records that are written down, as far as they go.
pub(super) fn read(ledger: OwnedFd) -> Vec<Vec<u8>> {
    let file = File::from(ledger);
    let mut records = Vec::new();
    for slot in 0..SLOTS {
        let mut record = vec![0; SLOT];
        if file
            .read_exact_at(&mut record, (slot * SLOT) as u64)
            .is_err()
        {
            break;
        }
        if record.iter().any(|byte| *byte != 0) {
            records.push(record);
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intercept::bpf::record;

    #[test]
    fn what_is_not_struck_out_is_found() {
        let record = |port: u32| {
            let mut bytes = 9_u64.to_ne_bytes().to_vec();
            for word in [port, 1, 2, 20, 0, 0] {
                bytes.extend(u32::to_ne_bytes(word));
            }
            bytes.extend([7; 20]);
            bytes
        };
        let ledger = Arc::new(Ledger::new().unwrap());
        let kept = ledger.enter(&record(1));
        drop(ledger.enter(&record(2)));
        let also_kept = ledger.enter(&record(3));
        // Too short to be a record: served, but not written down.
        let short = ledger.enter(&record(4)[..30]);
        let found = read(ledger.share().unwrap());
        let ports: Vec<_> = found
            .iter()
            .map(|record| {
                let (request, datagram) = record::decode(record).unwrap();
                assert_eq!((request.namespace, datagram), (9, &[7; 16][..]));
                request.port
            })
            .collect();
        assert_eq!(ports, [1, 3]);
        drop((kept, also_kept, short));
        assert!(read(ledger.share().unwrap()).is_empty());
    }
}
