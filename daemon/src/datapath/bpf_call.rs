//! What the eBPF library does not offer of `bpf(2)`: opening a pinned link, replacing the program
//! behind it, making a map of maps from a given inner map, and walking through the sockets that have
//! something in a map.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use crate::ebpf::call::{bpf, descriptor};

/// Command numbers from `linux/bpf.h`.
const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_GET_NEXT_KEY: libc::c_long = 4;
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_LINK_UPDATE: libc::c_long = 29;
const BPF_ITER_CREATE: libc::c_long = 33;

/// `BPF_TRACE_ITER`.
const TRACE_ITER: u32 = 28;

/// `BPF_MAP_TYPE_ARRAY`.
pub(super) const ARRAY: u32 = 2;
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

/// For both pinning and opening.
#[repr(C)]
#[derive(Default)]
struct ObjGet {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct LinkUpdate {
    link_fd: u32,
    new_prog_fd: u32,
    flags: u32,
    old_prog_fd: u32,
}

/// The part of `union bpf_attr` for making a link, up to the last field that we set.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    iter_info: u64,
    iter_info_len: u32,
    /// Zero.
    padding: u32,
}

#[repr(C)]
#[derive(Default)]
struct IterCreate {
    link_fd: u32,
    flags: u32,
}

/// For looking at an entry, changing it, and finding the next one.
#[repr(C)]
#[derive(Default)]
struct MapElement {
    map_fd: u32,
    /// Zero.
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

/// Reads the value of a key, if there is one. Key and value have the map's sizes.
pub(super) fn lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
    let attr = MapElement::new(map, Some(key), value.as_mut_ptr());
    found(bpf(BPF_MAP_LOOKUP_ELEM, &attr))
}

/// Writes the value of a key. Key and value have the map's sizes.
pub(super) fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let attr = MapElement::new(map, Some(key), value.as_ptr());
    bpf(BPF_MAP_UPDATE_ELEM, &attr).map(drop)
}

/// The key after this one, or the first one. Keys have the map's size.
pub(super) fn next_key(
    map: BorrowedFd<'_>,
    key: Option<&[u8]>,
    next: &mut [u8],
) -> io::Result<bool> {
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

/// Makes an array of maps that are like `inner`.
pub(super) fn create_array_of_maps(
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
    // The name ends with a zero; what is too long for that is cut off, as everywhere.
    for (to, from) in attr.map_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    descriptor(BPF_MAP_CREATE, &attr)
}

/// Pins a map, program or link.
pub(super) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attr = ObjGet {
        pathname: path.as_ptr() as u64,
        bpf_fd: object.as_raw_fd().cast_unsigned(),
        ..ObjGet::default()
    };
    bpf(BPF_OBJ_PIN, &attr).map(drop)
}

/// Opens what is pinned at `path`.
pub(super) fn open_pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attr = ObjGet {
        pathname: path.as_ptr() as u64,
        ..ObjGet::default()
    };
    descriptor(BPF_OBJ_GET, &attr)
}

/// Puts a program in the place of the one behind a link, at once.
pub(super) fn replace_program(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let attr = LinkUpdate {
        link_fd: link.as_raw_fd().cast_unsigned(),
        new_prog_fd: program.as_raw_fd().cast_unsigned(),
        ..LinkUpdate::default()
    };
    bpf(BPF_LINK_UPDATE, &attr).map(drop)
}

/// Binds a program that looks at what is in a map to this map. Nothing runs yet.
pub(super) fn link_iterator(program: BorrowedFd<'_>, map: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // The variant for maps of `union bpf_iter_link_info`.
    let map = map.as_raw_fd().cast_unsigned();
    let attr = LinkCreate {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        attach_type: TRACE_ITER,
        iter_info: (&raw const map) as u64,
        iter_info_len: 4,
        ..LinkCreate::default()
    };
    descriptor(BPF_LINK_CREATE, &attr)
}

/// A file: reading it runs the program for one thing after another.
pub(super) fn open_iterator(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let attr = IterCreate {
        link_fd: link.as_raw_fd().cast_unsigned(),
        ..IterCreate::default()
    };
    descriptor(BPF_ITER_CREATE, &attr)
}
