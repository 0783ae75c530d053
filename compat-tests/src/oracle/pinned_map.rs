//! A pinned map, read entry by entry: what the product keeps is counted by what the kernel has.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

/// Command numbers from `linux/bpf.h`.
const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_GET_NEXT_KEY: libc::c_long = 4;
const BPF_OBJ_GET: libc::c_long = 7;

#[repr(C)]
#[derive(Default)]
struct Element {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct Object {
    path: u64,
    descriptor: u32,
    flags: u32,
}

/// A map.
#[derive(Debug)]
pub struct PinnedMap {
    map: OwnedFd,
    key_size: usize,
    value_size: usize,
}

impl PinnedMap {
    /// Opens the one that is pinned here.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn open(path: &Path) -> Self {
        let text = CString::new(path.as_os_str().as_bytes()).expect("no zeros in paths");
        let attributes = Object {
            path: text.as_ptr() as u64,
            ..Object::default()
        };
        let opened = bpf(BPF_OBJ_GET, &attributes);
        let opened = opened.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let opened = i32::try_from(opened).expect("a descriptor");
        // SAFETY: the kernel has just made this descriptor for us.
        let map = unsafe { OwnedFd::from_raw_fd(opened) };
        let told = fs::read_to_string(format!("/proc/self/fdinfo/{opened}"));
        let told = told.expect("an open descriptor");
        let number = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim().parse().ok());
            number.unwrap_or_else(|| panic!("no {name} in {told}"))
        };
        Self {
            map,
            key_size: number("key_size:"),
            value_size: number("value_size:"),
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &[u8]) -> Option<Vec<u8>> {
        assert_eq!(key.len(), self.key_size, "the size of a key");
        let mut value = vec![0; self.value_size];
        let attributes = Element {
            map: self.descriptor(),
            key: key.as_ptr() as u64,
            value: value.as_mut_ptr() as u64,
            ..Element::default()
        };
        bpf(BPF_MAP_LOOKUP_ELEM, &attributes).ok().map(|_| value)
    }

    /// All keys. Those that come and go meanwhile may be missed.
    #[must_use]
    pub fn keys(&self) -> Vec<Vec<u8>> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut next = vec![0; self.key_size];
            let attributes = Element {
                map: self.descriptor(),
                key: keys.last().map_or(0, |key| key.as_ptr() as u64),
                value: next.as_mut_ptr() as u64,
                ..Element::default()
            };
            if bpf(BPF_MAP_GET_NEXT_KEY, &attributes).is_err() {
                return keys;
            }
            keys.push(next);
        }
    }

    /// The values of all keys.
    #[must_use]
    pub fn values(&self) -> Vec<Vec<u8>> {
        let keys = self.keys();
        keys.iter().filter_map(|key| self.value(key)).collect()
    }

    fn descriptor(&self) -> u32 {
        u32::try_from(self.map.as_raw_fd()).expect("an open descriptor")
    }
}

fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<libc::c_long> {
    // SAFETY: the structure has the size that is told, and what it points to is alive and has the
    // sizes that the map has.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    };
    match result {
        0.. => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}
