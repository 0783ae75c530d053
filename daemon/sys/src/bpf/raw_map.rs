//! A map with keys and values as bytes, to read maps of an earlier version, whose types do not
//! exist in this one.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
};

use aya::maps::{MapData, MapError};

use super::{map, object};

/// A map.
pub struct RawMap {
    map: MapData,
    key_size: usize,
    value_size: usize,
    max_entries: u32,
}

impl RawMap {
    /// Opens a pinned map; `None` if there is none.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let failed = |error: MapError| io::Error::other(error);
        let map = MapData::from_pin(path).map_err(failed)?;
        let info = map.info().map_err(failed)?;
        let size = |size: u32| usize::try_from(size).map_err(io::Error::other);
        Ok(Some(Self {
            key_size: size(info.key_size())?,
            value_size: size(info.value_size())?,
            max_entries: info.max_entries(),
            map,
        }))
    }

    /// Creates an array with one entry.
    pub fn of_one_value(name: &str, value: &[u8]) -> io::Result<Self> {
        // The kernel rounds value sizes up to eight bytes.
        let size = value.len().next_multiple_of(8);
        let value_size = u32::try_from(size).map_err(io::Error::other)?;
        let description = aya_obj::Map::new_from_params(map::ARRAY, 4, value_size, 1, 0);
        let map = Self {
            map: MapData::create(description, name, None).map_err(io::Error::other)?,
            key_size: 4,
            value_size: size,
            max_entries: 1,
        };
        let mut padded = value.to_vec();
        padded.resize(size, 0);
        map.put(&0_u32.to_ne_bytes(), &padded)?;
        Ok(map)
    }

    /// The maximum number of entries.
    pub const fn max_entries(&self) -> u32 {
        self.max_entries
    }

    /// Pins the map.
    pub fn pin(&self, path: &Path) -> io::Result<()> {
        object::pin(self.fd(), path)
    }

    /// All keys.
    pub fn keys(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut next = vec![0; self.key_size];
            let last = keys.last().map(Vec::as_slice);
            if !map::next_key(self.fd(), last, &mut next)? {
                return Ok(keys);
            }
            keys.push(next);
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.check(key, self.key_size)?;
        let mut value = vec![0; self.value_size];
        Ok(map::lookup(self.fd(), key, &mut value)?.then_some(value))
    }

    /// Sets the value of a key.
    pub fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.check(key, self.key_size)?;
        self.check(value, self.value_size)?;
        map::update(self.fd(), key, value)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.map.fd().as_fd()
    }

    /// The kernel reads and writes as many bytes as the map's sizes say.
    fn check(&self, bytes: &[u8], size: usize) -> io::Result<()> {
        if bytes.len() == size {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{} bytes where the map has {size}",
            bytes.len()
        )))
    }
}
