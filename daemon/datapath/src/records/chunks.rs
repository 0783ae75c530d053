//! Records in eBPF maps that the daemon accesses as mapped memory.
//!
//! A map of maps holds chunks, each an array that is mapped into this process. A chunk is created
//! when a record in it is first needed, and then never moves. This module does not know the fields
//! of records, nor the order in which they may be written.

use std::{
    io, marker::PhantomData, num::NonZeroUsize, os::fd::AsFd as _, path::Path, ptr::NonNull,
};

use aya::{
    Pod,
    maps::{ArrayOfMaps, MapData, MapError},
};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use sockvs_ipvs::DataPathFull;
use sockvs_sys::bpf::{map, object};

/// `BPF_F_MMAPABLE`, from `linux/bpf.h`.
const MMAPABLE: u32 = 1024;

/// The parameters of a map of maps, before it is created.
#[derive(Clone, Copy)]
pub(crate) struct Outer {
    /// The map's name in the eBPF object.
    pub(crate) name: &'static str,
    /// The size of a record.
    pub(crate) record: usize,
    /// Records in one chunk.
    pub(crate) per_chunk: u32,
    /// The maximum number of chunks.
    pub(crate) chunks: u32,
}

impl Outer {
    /// Creates and pins the map, unless it is pinned already.
    ///
    /// The library would give the inner map type information. Chunks that are created later cannot
    /// have it, and Linux 6.1 then refuses them as different.
    pub(crate) fn ensure_pinned(&self, path: &Path) -> io::Result<()> {
        if path.exists() {
            return Ok(());
        }
        let chunk = new_chunk(self.name, self.record, self.per_chunk).map_err(io::Error::other)?;
        let map = map::create_array_of_maps(self.name, self.chunks, chunk.fd().as_fd())?;
        object::pin(map.as_fd(), path)
    }
}

/// Creates a chunk. All chunks of a map, and its template, are created here.
fn new_chunk(name: &str, record: usize, per_chunk: u32) -> Result<MapData, MapError> {
    let size = u32::try_from(record).map_err(|_| MapError::InvalidValueSize {
        size: record,
        expected: u32::MAX as usize,
    })?;
    let description = aya_obj::Map::new_from_params(map::ARRAY, 4, size, per_chunk, MMAPABLE);
    MapData::create(description, name, None)
}

/// The chunks of one map of maps.
pub(crate) struct Chunks<T> {
    name: &'static str,
    outer: ArrayOfMaps<MapData, MapData>,
    per_chunk: u32,
    mapped: Vec<Mapping>,
    records: PhantomData<T>,
}

/// A mapped chunk.
struct Mapping {
    start: NonNull<libc::c_void>,
    len: NonZeroUsize,
}

// SAFETY: the mapping is memory shared with the kernel; each access states why it is sound from any
// thread.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and every pointer into it came from the `Chunks` that is
        // dropped.
        let unmapped = unsafe { munmap(self.start, self.len.get()) };
        debug_assert!(unmapped.is_ok(), "a mapping that was made can be removed");
    }
}

impl<T: Pod> Chunks<T> {
    /// Opens a map of maps, with the chunks that an earlier daemon created.
    pub(crate) fn open(
        name: &'static str,
        outer: ArrayOfMaps<MapData, MapData>,
        per_chunk: u32,
    ) -> Result<Self, MapError> {
        let mut chunks = Self {
            name,
            outer,
            per_chunk,
            mapped: Vec::new(),
            records: PhantomData,
        };
        for position in 0..chunks.outer.len() {
            match chunks.outer.get(&position, 0) {
                Ok(chunk) => chunks.map(&chunk).map_err(MapError::IoError)?,
                Err(MapError::KeyNotFound) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(chunks)
    }

    /// How many records have memory.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.mapped.len())
            .unwrap_or(u32::MAX)
            .saturating_mul(self.per_chunk)
    }

    /// Creates the chunk of the record with this index, if it is missing.
    pub(crate) fn ensure(&mut self, index: u32) -> Result<(), DataPathFull> {
        while self.len() <= index {
            self.grow()?;
        }
        Ok(())
    }

    /// The address of the record; `None` if its chunk was never created.
    ///
    /// The record is shared with the eBPF programs: access its fields through the pointer, in whole
    /// words.
    pub(crate) fn at(&self, index: u32) -> Option<NonNull<T>> {
        let chunk = self
            .mapped
            .get(usize::try_from(index / self.per_chunk).ok()?)?;
        let place = usize::try_from(index % self.per_chunk).ok()?;
        // SAFETY: `place` is below the number of records that the chunk was made for.
        Some(unsafe { chunk.start.cast::<T>().add(place) })
    }

    fn grow(&mut self) -> Result<(), DataPathFull> {
        let position = u32::try_from(self.mapped.len()).map_err(|_| DataPathFull::NoSpace)?;
        if position >= self.outer.len() {
            return Err(DataPathFull::NoSpace);
        }
        let made = new_chunk(self.name, size_of::<T>(), self.per_chunk).and_then(|chunk| {
            self.map(&chunk).map_err(MapError::IoError)?;
            self.outer.set(position, &chunk, 0).inspect_err(|_| {
                self.mapped.pop();
            })
        });
        made.map_err(|error| {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(map = self.name, error, "no memory for more records");
            DataPathFull::NoMemory
        })
    }

    fn map(&mut self, chunk: &MapData) -> io::Result<()> {
        let bytes = size_of::<T>().saturating_mul(self.per_chunk as usize);
        let len = NonZeroUsize::new(bytes).ok_or(io::ErrorKind::InvalidInput)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses an unused range; the array's memory lives as long as the
        // mapping. The kernel refuses a length beyond the array's.
        let start = unsafe {
            mmap(
                None,
                len,
                access,
                MapFlags::MAP_SHARED,
                chunk.fd().as_fd(),
                0,
            )
        }?;
        self.mapped.push(Mapping { start, len });
        Ok(())
    }
}
