//! The keys of a hash map, many at a time, whatever comes and goes meanwhile: one that is there all
//! the time is found.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::Pod;

use sockvs_sys::bpf::map::{Batch, lookup_batch};

/// How many entries are read at once, at first. The kernel wants room for all of a bucket.
const AT_ONCE: usize = 1024;

/// The keys of type `K`, of a map with values of type `V`.
pub(super) struct Keys<K, V> {
    map: OwnedFd,
    /// Where the next ones are; none at the beginning.
    position: Option<u32>,
    over: bool,
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K: Pod, V: Pod> Keys<K, V> {
    /// All keys of a map, whose keys and values have these types.
    pub(super) fn of(map: OwnedFd) -> Self {
        Self {
            map,
            position: None,
            over: false,
            keys: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Some more keys; none at the end.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub(super) fn next(&mut self) -> io::Result<Option<&[K]>> {
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
                    // SAFETY: the kernel has filled in so many, which there was room for.
                    unsafe { self.keys.set_len(count) };
                    break;
                }
                // A bucket has more.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => room *= 2,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(&self.keys))
    }
}
