//! Map operations that the eBPF library lacks: creating a map of maps with a given inner map,
//! reading entries in batches, and maps whose keys and values are bytes.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use aya::Pod;

use super::call::{bpf, bpf_mut, descriptor};

/// Command numbers from `linux/bpf.h`.
const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_GET_NEXT_KEY: libc::c_long = 4;
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;

/// `BPF_MAP_TYPE_ARRAY`.
pub const ARRAY: u32 = 2;
/// `BPF_MAP_TYPE_ARRAY_OF_MAPS`.
const ARRAY_OF_MAPS: u32 = 12;

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct MapBatch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// For looking up an entry, updating it, and finding the next one.
#[repr(C)]
#[derive(Default)]
struct MapElement {
    map_fd: u32,
    /// Must be zero.
    padding: u32,
    key: u64,
    value_or_next_key: u64,
    flags: u64,
}

impl MapElement {
    fn new(map: BorrowedFd<'_>, key: Option<&[u8]>, other: *const u8) -> Self {
        Self {
            map_fd: map.as_raw_fd().cast_unsigned(),
            key: key.map_or(0, |key| key.as_ptr() as u64),
            value_or_next_key: other as u64,
            ..Self::default()
        }
    }
}

/// Reads the value of a key. Key and value must have the map's sizes.
pub fn lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
    let attr = MapElement::new(map, Some(key), value.as_mut_ptr());
    found(bpf(BPF_MAP_LOOKUP_ELEM, &attr))
}

/// Writes the value of a key. Key and value must have the map's sizes.
pub fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let attr = MapElement::new(map, Some(key), value.as_ptr());
    bpf(BPF_MAP_UPDATE_ELEM, &attr).map(drop)
}

/// The key after this one, or the first one. Keys must have the map's size.
pub fn next_key(map: BorrowedFd<'_>, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<bool> {
    let attr = MapElement::new(map, key, next.as_mut_ptr());
    found(bpf(BPF_MAP_GET_NEXT_KEY, &attr))
}

fn found(result: io::Result<i32>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates an array of maps whose inner maps are like `inner`.
pub fn create_array_of_maps(
    name: &str,
    max_entries: u32,
    inner: BorrowedFd<'_>,
) -> io::Result<OwnedFd> {
    let mut attr = MapCreate {
        map_type: ARRAY_OF_MAPS,
        key_size: 4,
        value_size: 4,
        max_entries,
        inner_map_fd: inner.as_raw_fd().cast_unsigned(),
        ..MapCreate::default()
    };
    // The name must end with a NUL; a longer one is truncated, as elsewhere.
    for (to, from) in attr.map_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    descriptor(BPF_MAP_CREATE, &attr)
}

/// Buffers for a batch of entries; both have the same length.
pub struct Batch<'a, K, V> {
    /// The keys.
    pub keys: &'a mut [MaybeUninit<K>],
    /// The values.
    pub values: &'a mut [MaybeUninit<V>],
}

/// Reads a batch of entries of a hash map, from a position or from the beginning. Returns the
/// number of entries, and the position of the next batch, or `None` at the end. `K` and `V` must
/// have the map's sizes.
pub fn lookup_batch<K: Pod, V: Pod>(
    map: BorrowedFd<'_>,
    position: Option<u32>,
    batch: Batch<'_, K, V>,
) -> io::Result<(usize, Option<u32>)> {
    let mut next = 0_u32;
    let room = batch.keys.len().min(batch.values.len());
    let mut attr = MapBatch {
        in_batch: position
            .as_ref()
            .map_or(0, |position| &raw const *position as u64),
        out_batch: &raw mut next as u64,
        keys: batch.keys.as_mut_ptr() as u64,
        values: batch.values.as_mut_ptr() as u64,
        count: u32::try_from(room).unwrap_or(u32::MAX),
        map_fd: map.as_raw_fd().cast_unsigned(),
        ..MapBatch::default()
    };
    let more = found(bpf_mut(BPF_MAP_LOOKUP_BATCH, &mut attr))?;
    Ok((attr.count as usize, more.then_some(next)))
}
