//! What is taken but not answered yet, written down where it outlives the daemon, for the
//! [`guard`](super::guard).

use std::{
    fs::File,
    io,
    mem::offset_of,
    os::{fd::OwnedFd, unix::fs::FileExt as _},
    sync::{Arc, Mutex, PoisonError},
};

use nix::sys::memfd::{MFdFlags, memfd_create};
use sockvs_ebpf_common::netlink::Taken;

/// How many requests can be written down. Each client waits for the answer to one; should there be
/// more, the rest are served, but nobody answers them if the daemon is killed.
const SLOTS: u64 = 4096;
/// The record's header and that of its first message.
const SLOT: usize = size_of::<Taken>() + NLMSG_HDRLEN;
const NLMSG_HDRLEN: usize = 16;

/// The daemon's end.
pub(super) struct Ledger {
    file: File,
    free: Mutex<Vec<u64>>,
}

/// A request that is written down. The end of this value strikes it out.
struct Entry {
    ledger: Arc<Ledger>,
    slot: u64,
}

impl Ledger {
    /// An empty one, in memory.
    pub(super) fn new() -> io::Result<Self> {
        let file = memfd_create("sockvs-ledger", MFdFlags::MFD_CLOEXEC)?;
        Ok(Self {
            file: file.into(),
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
            self.file.write_all_at(&slot, entry.position()).ok()?;
            Some(entry)
        };
        Box::new(entry())
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn position(&self) -> u64 {
        self.slot * SLOT as u64
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // A slot that cannot be struck out must not be written over.
        if self
            .ledger
            .file
            .write_all_at(&[0; SLOT], self.position())
            .is_ok()
        {
            self.ledger.free().push(self.slot);
        }
    }
}

/// The records that are written down, as far as they go.
pub(super) fn read(ledger: OwnedFd) -> Vec<Vec<u8>> {
    let file = File::from(ledger);
    let mut records = Vec::new();
    for slot in 0..SLOTS {
        let mut record = vec![0; SLOT];
        if file.read_exact_at(&mut record, slot * SLOT as u64).is_err() {
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
