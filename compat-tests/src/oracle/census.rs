//! What the product keeps of sockets, counted in its pinned maps: when no socket is left, there is
//! to be nothing.
//!
//! Where the fields of the records are is told by the map `layouts`, which is pinned beside them.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::oracle::pinned_map::PinnedMap;

/// How much of what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Entries of `CONNECTIONS` that a socket has.
    pub connections: usize,
    /// Entries that a first place says are at another one.
    pub displaced: u64,
    /// Entries that a first place says are in `OVERFLOW`.
    pub overflowed: u64,
    /// Entries of `OVERFLOW`.
    pub overflow: usize,
    /// Entries of `FLOWS`.
    pub flows: usize,
    /// Entries of `TEMPLATES`.
    pub templates: usize,
    /// What all users' shares of connections come to.
    pub shared_connections: u64,
    /// What their shares of flows come to.
    pub shared_flows: u64,
    /// How many entries of `OVERFLOW` are told of.
    pub total_connections: u64,
    /// How many of `FLOWS`.
    pub total_flows: u64,
    /// How many of `TEMPLATES`.
    pub total_templates: u64,
}

impl Census {
    /// Counts what is in the maps of this directory.
    ///
    /// # Panics
    ///
    /// When they are not to be read.
    #[must_use]
    #[track_caller]
    pub fn of(pins: &Path) -> Self {
        let maps = Maps::of(pins);
        let connections = maps.records("CONNECTIONS");
        let sum = |map: &str, field: &str| maps.records(map).sum(field);
        Self {
            connections: connections.count("cookie"),
            displaced: connections.sum("displaced"),
            overflowed: connections.sum("overflowed"),
            overflow: maps.records("OVERFLOW").values.len(),
            flows: maps.records("FLOWS").values.len(),
            templates: maps.records("TEMPLATES").values.len(),
            shared_connections: sum("SHARES", "connections"),
            shared_flows: sum("SHARES", "flows"),
            total_connections: sum("TOTALS", "connections"),
            total_flows: sum("TOTALS", "flows"),
            total_templates: sum("TOTALS", "templates"),
        }
    }

    /// Whether nothing is kept of any socket. What is remembered of clients may stay, but is to be
    /// counted right.
    ///
    /// # Errors
    ///
    /// What there is.
    pub fn is_empty(&self) -> Result<(), String> {
        let nothing = Self {
            templates: self.templates,
            total_templates: self.templates as u64,
            ..Self::default()
        };
        if *self == nothing {
            return Ok(());
        }
        Err(format!("something is kept: {self}"))
    }
}

/// The first entries of `CONNECTIONS` that a socket has, each with its index and its fields: what
/// to look at where one stays.
#[must_use]
#[track_caller]
pub fn entries_in_use(pins: &Path) -> Vec<String> {
    const FIRST: usize = 8;
    let records = Maps::of(pins).records("CONNECTIONS");
    let names = records
        .fields
        .iter()
        .filter_map(|field| field["name"].as_str());
    let columns: Vec<(&str, Vec<u64>)> = names
        .map(|name| (name, records.numbers(name).collect()))
        .collect();
    let cookies: Vec<u64> = records.numbers("cookie").collect();
    let used = cookies
        .iter()
        .enumerate()
        .filter(|(_, cookie)| **cookie != 0);
    let entry = |(index, _)| {
        let fields = columns
            .iter()
            .map(|(name, values)| format!("{name}={:#x}", values[index]));
        format!("{index}: {}", fields.collect::<Vec<_>>().join(" "))
    };
    used.take(FIRST).map(entry).collect()
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The maps of a directory.
struct Maps {
    pins: PathBuf,
    layouts: Vec<Value>,
}

impl Maps {
    #[track_caller]
    fn of(pins: &Path) -> Self {
        let layouts = PinnedMap::open(&pins.join("layouts"));
        let text = layouts.value(&[0; 4]).expect("it has one value");
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        Self {
            pins: pins.to_owned(),
            layouts: serde_json::from_slice(text).expect("it is JSON"),
        }
    }

    /// All records of a map. One that this version does not have, has none.
    #[track_caller]
    fn records(&self, name: &str) -> Records {
        let layout = self.layouts.iter().find(|layout| layout["name"] == name);
        let Some(layout) = layout else {
            return Records::default();
        };
        let files = fs::read_dir(&self.pins).expect("the pins can be listed");
        let prefix = format!("{}_", name.to_lowercase());
        let is_hash = |rest: &str| rest.len() == 8 && rest.bytes().all(|b| b.is_ascii_hexdigit());
        let file = files.flatten().map(|file| file.path()).find(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.and_then(|name| name.strip_prefix(&prefix))
                .is_some_and(is_hash)
        });
        let file = file.unwrap_or_else(|| panic!("{name} is not pinned"));
        let size = usize::try_from(layout["value"]["size"].as_u64().unwrap_or_default());
        let size = size.expect("a record's size");
        let values = PinnedMap::open(&file).values();
        let values = values.iter().flat_map(|value| value.chunks_exact(size));
        let fields = layout["value"]["fields"].as_array().into_iter().flatten();
        Records {
            values: values.map(<[u8]>::to_vec).collect(),
            fields: fields.cloned().collect(),
        }
    }
}

/// The records of a map.
#[derive(Default)]
struct Records {
    values: Vec<Vec<u8>>,
    fields: Vec<Value>,
}

impl Records {
    fn numbers(&self, field: &str) -> impl Iterator<Item = u64> {
        let place = self.fields.iter().find(|place| place["name"] == field);
        let number = |name| {
            let number = place.and_then(|place| place[name].as_u64());
            usize::try_from(number.unwrap_or_default()).unwrap_or_default()
        };
        let (at, size) = (number("at"), number("size"));
        self.values.iter().map(move |value| {
            let mut bytes = [0; 8];
            // Of what is longer than a number, the first bytes.
            let size = size.min(bytes.len());
            bytes[..size].copy_from_slice(&value[at..at + size]);
            u64::from_le_bytes(bytes)
        })
    }

    fn sum(&self, field: &str) -> u64 {
        self.numbers(field).sum()
    }

    /// How many have something there.
    fn count(&self, field: &str) -> usize {
        self.numbers(field).filter(|number| *number != 0).count()
    }
}
