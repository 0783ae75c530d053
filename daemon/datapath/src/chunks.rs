//! Records in eBPF maps that the daemon writes like memory.
//!
//! A map of maps leads to chunks, each an array that can be mapped into this process. A chunk is
//! made when a record in it is first needed, and from then on stays where it is. What the records
//! mean, and in what order their fields may be written, is not known here.

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

/// A map of maps, before there is one.
#[derive(Clone, Copy)]
pub(super) struct Outer {
    /// The map's name in the eBPF object.
    pub(super) name: &'static str,
    /// The size of a record.
    pub(super) record: usize,
    /// Records in one chunk.
    pub(super) per_chunk: u32,
    /// Most chunks.
    pub(super) chunks: u32,
}

impl Outer {
    /// Makes and pins the map, unless it is pinned already.
    ///
    /// The library could do it, but its inner map would carry type information, which the chunks
    /// that are made later cannot have: Linux 6.1 does not take them for alike then.
    pub(super) fn ensure_pinned(&self, path: &Path) -> io::Result<()> {
        if path.exists() {
            return Ok(());
        }
        let chunk = new_chunk(self.name, self.record, self.per_chunk).map_err(io::Error::other)?;
        let map = map::create_array_of_maps(self.name, self.chunks, chunk.fd().as_fd())?;
        object::pin(map.as_fd(), path)
    }
}

/// Makes a chunk. All chunks of a map, and the one that the map was made like, come from here.
fn new_chunk(name: &str, record: usize, per_chunk: u32) -> Result<MapData, MapError> {
    let size = u32::try_from(record).map_err(|_| MapError::InvalidValueSize {
        size: record,
        expected: u32::MAX as usize,
    })?;
    let description = aya_obj::Map::new_from_params(map::ARRAY, 4, size, per_chunk, MMAPABLE);
    MapData::create(description, name, None)
}

/// The chunks of one map of maps.
pub(super) struct Chunks<T> {
    name: &'static str,
    outer: ArrayOfMaps<MapData, MapData>,
    per_chunk: u32,
    mapped: Vec<Mapping>,
    records: PhantomData<T>,
}

/// One chunk, mapped.
struct Mapping {
    start: NonNull<libc::c_void>,
    len: NonZeroUsize,
}

// SAFETY: the mapping is memory shared with the kernel; whoever writes to it says for each access
// why that is sound, from whatever thread.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and every pointer into it came from the `Chunks` that ends.
        let unmapped = unsafe { munmap(self.start, self.len.get()) };
        debug_assert!(unmapped.is_ok(), "a mapping that was made can be removed");
    }
}

impl<T: Pod> Chunks<T> {
    /// Takes over a map of maps, with the chunks that an earlier daemon made.
    pub(super) fn open(
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

    /// How many records there are memory for.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.mapped.len())
            .unwrap_or(u32::MAX)
            .saturating_mul(self.per_chunk)
    }

    /// Makes sure that there is memory for the record with this index.
    pub(super) fn ensure(&mut self, index: u32) -> Result<(), DataPathFull> {
        while self.len() <= index {
            self.grow()?;
        }
        Ok(())
    }

    /// Where the record stands, or none if its chunk was never made.
    ///
    /// The record is shared with the eBPF programs: read and write its fields through the pointer,
    /// whole words at a time.
    pub(super) fn at(&self, index: u32) -> Option<NonNull<T>> {
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
