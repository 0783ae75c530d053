//! Reads the keys of a hash map in batches. Entries may be added and removed meanwhile: one that
//! exists all the time is found.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::Pod;

use sockvs_sys::bpf::map::{Batch, lookup_batch};

/// The initial size of a batch. The kernel requires space for a whole bucket.
const AT_ONCE: usize = 1024;

/// The keys of type `K`, of a map with values of type `V`.
pub(crate) struct Keys<K, V> {
    map: OwnedFd,
    /// The position of the next batch; `None` at the beginning.
    position: Option<u32>,
    over: bool,
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K: Pod, V: Pod> Keys<K, V> {
    /// All keys of a map, whose keys and values must have these types.
    pub(crate) fn of(map: OwnedFd) -> Self {
        Self {
            map,
            position: None,
            over: false,
            keys: Vec::new(),
            values: Vec::new(),
        }
    }

    /// The next batch of keys; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the kernel returns an error.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[K]>> {
        if self.over {
            return Ok(None);
        }
        self.keys.clear();
        let mut room = self.keys.capacity().max(AT_ONCE);
        loop {
            self.keys.reserve(room);
            self.values.reserve(room);
            let batch = Batch {
                keys: self.keys.spare_capacity_mut(),
                values: self.values.spare_capacity_mut(),
            };
            match lookup_batch(self.map.as_fd(), self.position, batch) {
                Ok((count, next)) => {
                    self.position = next;
                    self.over = next.is_none();
                    // SAFETY: the kernel has filled in `count` keys, for which there was space.
                    unsafe { self.keys.set_len(count) };
                    break;
                }
                // A bucket has more entries.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => room *= 2,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(&self.keys))
    }
}
