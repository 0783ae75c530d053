//! Migrates a table to maps of another layout, when a daemon of another version takes over.
//!
//! The new maps are filled before any program uses them, so every `connect(2)` finds a complete
//! table: the old or the new one. Records keep their indexes, so connection entries are valid with
//! both. While programs are replaced one by one, some connections are counted in old records and
//! some in new ones; the new ones start at zero, and in the end the old counters are added. A field
//! that the earlier version did not have is zero.
//!
//! A daemon that is killed during a migration leaves a directory in which `layouts` is still the
//! old one, with its announcement beside it. The next daemon, of any version, migrates again; in
//! the end it adds the counters of all records but its own.
//!
//! Connection entries, templates and slots are changed by programs in place and cannot be migrated
//! like this. The layout of slots must not change (a test in `layout` checks that). If that of
//! connection entries changes, open connections are no longer counted (`connections`); if that of
//! templates changes, clients may get another server once.

mod connections;
pub(crate) mod translation;

use std::{
    io,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::{
    Pod,
    maps::{ArrayOfMaps, Map, MapData, MapError},
};
use sockvs_ebpf_common::{Destination, Service};

use sockvs_sys::{bpf::RawMap, bpffs::PinDirectory};

use crate::loading::layout::{Layouts, MapLayout, RecordLayout};
use crate::records::chunks::Chunks;
use crate::upgrade::translation::{Translation, has_second_configuration, with_configuration};

/// The fields of records that programs increment.
const COUNTERS: [&str; 7] = [
    "conns", "active", "total", "inpkts", "outpkts", "inbytes", "outbytes",
];
/// Those that an earlier version did not zero but subtracted `zero_point` from, in this order.
const ZEROED: [&str; 5] = ["conns", "inpkts", "outpkts", "inbytes", "outbytes"];
/// The maps that only the daemon changes.
const TABLES: [&str; 5] = ["GLOBALS", "NAMESPACES", "SYNC_DAEMONS", "EDIT", "SERVICES"];

/// A migration between layouts.
pub(crate) struct Migration<'a> {
    pins: &'a PinDirectory,
    /// The layouts of the table, if they differ.
    table: Option<Layouts>,
    /// The layouts of maps in which connections may be counted.
    counted: Vec<Layouts>,
    new: &'a Layouts,
}

impl<'a> Migration<'a> {
    /// The migration that is due, if any, announced in the directory: a new directory only gets its
    /// layouts recorded.
    pub(crate) fn due(pins: &'a PinDirectory, new: &'a Layouts) -> io::Result<Option<Self>> {
        let pinned = Layouts::pinned(pins)?;
        let table = pinned.clone().filter(|old| old != new);
        let mut counted = Layouts::announced(pins)?;
        counted.extend(table.clone());
        counted.retain(|old| old != new);
        if pinned.is_some() && counted.is_empty() {
            return Ok(None);
        }
        new.announce(pins)?;
        Ok(Some(Self {
            pins,
            table,
            counted,
            new,
        }))
    }

    /// Fills the new maps, which are pinned already, except for the counters.
    pub(crate) fn carry_over(&self) -> io::Result<()> {
        let Some(table) = &self.table else {
            return Ok(());
        };
        for name in TABLES {
            if let Some((old, new)) = self.changed(table, name) {
                let to_key = Translation::new(&old.key, &new.key);
                let to_value = Translation::new(&old.value, &new.value);
                let (Some(from), Some(to)) = (self.open(old)?, self.open(new)?) else {
                    continue;
                };
                for key in from.keys()? {
                    if let Some(value) = from.get(&key)? {
                        to.put(&to_key.whole(&key), &to_value.whole(&value))?;
                    }
                }
            }
        }
        self.each_record_map(table, |old, new, chunks| chunks.carry_over(old, new))
    }

    /// Adds the old counters to the new ones, and makes the new maps the table. Must be called when
    /// no program uses the old maps any more.
    pub(crate) fn settle(&self) -> io::Result<()> {
        await_programs()?;
        for old in &self.counted {
            self.each_record_map(old, |old, new, chunks| chunks.settle(old, new))?;
        }
        if let Some(table) = &self.table {
            self.each_record_map(table, |old, new, chunks| chunks.zero(old, new))?;
        }
        for old in &self.counted {
            self.uncount(old)?;
        }
        if self.table.is_some() {
            tracing::info!("the table of another version was carried over");
        }
        self.new.pin(self.pins)
    }

    /// The old and new layouts of a map, if they differ.
    fn changed<'l>(
        &'l self,
        old: &'l Layouts,
        name: &str,
    ) -> Option<(&'l MapLayout, &'l MapLayout)> {
        let (old, new) = (old.map(name)?, self.new.map(name)?);
        (old != new).then_some((old, new))
    }

    fn open(&self, layout: &MapLayout) -> io::Result<Option<RawMap>> {
        RawMap::open(&self.pins.file(&layout.file()))
    }

    fn each_record_map(
        &self,
        old: &Layouts,
        visit: impl Fn(&RecordLayout, &RecordLayout, &mut dyn Records) -> io::Result<()>,
    ) -> io::Result<()> {
        if let Some((old, new)) = self.changed(old, "SERVICE_RECORDS")
            && let Some(mut both) = Both::<Service>::open(self.pins, old, new)?
        {
            visit(&old.value, &new.value, &mut both)?;
        }
        if let Some((old, new)) = self.changed(old, "DESTINATION_RECORDS")
            && let Some(mut both) = Both::<Destination>::open(self.pins, old, new)?
        {
            visit(&old.value, &new.value, &mut both)?;
        }
        Ok(())
    }
}

/// Waits until all programs have ended that run now.
fn await_programs() -> io::Result<()> {
    /// `MEMBARRIER_CMD_GLOBAL` waits for an RCU grace period, and programs run in an RCU read-side
    /// critical section.
    const GLOBAL: libc::c_int = 1;
    // SAFETY: the call takes numbers only.
    match unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A map of records, old and new.
trait Records {
    /// Fills new records, except for the counters.
    fn carry_over(&mut self, old: &RecordLayout, new: &RecordLayout) -> io::Result<()>;
    /// Moves the counters to the new records.
    fn settle(&mut self, old: &RecordLayout, new: &RecordLayout) -> io::Result<()>;
    /// Subtracts the zero points of an earlier version.
    fn zero(&mut self, old: &RecordLayout, new: &RecordLayout) -> io::Result<()>;
}

struct Both<T> {
    /// Accessed word by word: this version has no type for the old records.
    old: Chunks<u64>,
    new: Chunks<T>,
}

impl<T: Pod> Both<T> {
    fn open(pins: &PinDirectory, old: &MapLayout, new: &MapLayout) -> io::Result<Option<Self>> {
        let path = pins.file(&old.file());
        let Some(old_per_chunk) = old.per_chunk.filter(|_| path.exists()) else {
            return Ok(None);
        };
        let words = old_per_chunk.saturating_mul(words_of(&old.value)?);
        let old = Chunks::open("OLD", outer(&path)?, words).map_err(io::Error::other)?;
        let per_chunk = new.per_chunk.unwrap_or(1);
        let new = outer(&pins.file(&new.file()))?;
        let new = Chunks::open("NEW", new, per_chunk).map_err(io::Error::other)?;
        Ok(Some(Self { old, new }))
    }
}

fn outer(path: &Path) -> io::Result<ArrayOfMaps<MapData, MapData>> {
    let failed = |error: MapError| io::Error::other(error);
    let map = Map::ArrayOfMaps(MapData::from_pin(path).map_err(failed)?);
    map.try_into().map_err(failed)
}

/// Records consist of whole words.
fn words_of(record: &RecordLayout) -> io::Result<u32> {
    u32::try_from(record.size / 8).map_err(io::Error::other)
}

impl<T: Pod> Records for Both<T> {
    fn carry_over(&mut self, old: &RecordLayout, new: &RecordLayout) -> io::Result<()> {
        let translations = [0, 1].map(|which| {
            let old = with_configuration(old, which);
            Translation::new(&old, new).without(&COUNTERS)
        });
        let words = words_of(old)?;
        for index in 0..self.old.len() / words.max(1) {
            let from: Vec<u8> = (index * words..(index + 1) * words)
                .filter_map(|at| self.old.at(at))
                // SAFETY: an aligned word of a mapping, which programs write as a whole.
                .flat_map(|word| unsafe { word.as_ptr().read_volatile() }.to_ne_bytes())
                .collect();
            self.new.ensure(index).map_err(io::Error::other)?;
            let Some(record) = self.new.at(index) else {
                continue;
            };
            let [first, second] = &translations;
            let translation = if has_second_configuration(old, &from) {
                second
            } else {
                first
            };
            for (at, bytes) in translation.parts(&from) {
                for (byte, at) in bytes.iter().zip(at..) {
                    // SAFETY: `Translation` stays within the new record, whose layout is that of
                    // `T`.
                    let place = unsafe { record.as_ptr().cast::<u8>().add(at) };
                    // SAFETY: as above; no program uses the record yet.
                    unsafe { place.write_volatile(*byte) };
                }
            }
        }
        Ok(())
    }

    fn settle(&mut self, old: &RecordLayout, new: &RecordLayout) -> io::Result<()> {
        for counter in COUNTERS {
            self.move_words((old, counter), (new, counter), |to, counted| {
                to.fetch_add(counted, Ordering::AcqRel);
            })?;
        }
        Ok(())
    }

    fn zero(&mut self, old: &RecordLayout, new: &RecordLayout) -> io::Result<()> {
        for (nth, counter) in ZEROED.iter().enumerate() {
            let zero_point = format!("zero_point.{nth}");
            if word(new, &zero_point).is_none() {
                self.move_words((old, &zero_point), (new, counter), |to, zeroed| {
                    to.fetch_sub(zeroed, Ordering::AcqRel);
                })?;
            }
        }
        Ok(())
    }
}

impl<T: Pod> Both<T> {
    /// Moves a counter from each old record to the new one, if both have it.
    fn move_words(
        &self,
        (old, from): (&RecordLayout, &str),
        (new, to): (&RecordLayout, &str),
        give: impl Fn(&AtomicU64, u64),
    ) -> io::Result<()> {
        let words = words_of(old)?;
        let (Some(from), Some(to)) = (word(old, from), word(new, to)) else {
            return Ok(());
        };
        for index in 0..self.old.len() / words.max(1) {
            let old = self.old.at(index * words + from);
            let (Some(old), Some(new)) = (old, self.new.at(index)) else {
                continue;
            };
            // SAFETY: an aligned word of the mapping.
            let old = unsafe { AtomicU64::from_ptr(old.as_ptr()) };
            // SAFETY: the new record has this field, which is an aligned word.
            let new = unsafe { new.as_ptr().cast::<u64>().add(to as usize) };
            // SAFETY: as above; programs change the word as a whole, too.
            let new = unsafe { AtomicU64::from_ptr(new) };
            // Nothing can block between these two operations, and so no count is lost.
            let word = old.swap(0, Ordering::AcqRel);
            give(new, word);
        }
        Ok(())
    }
}

/// The index of a counter's word in a record.
fn word(record: &RecordLayout, name: &str) -> Option<u32> {
    let field = record.fields.iter().find(|field| field.name == name)?;
    let is_word = field.size == 8 && field.at.is_multiple_of(8) && field.at + 8 <= record.size;
    is_word.then(|| u32::try_from(field.at / 8).ok())?
}
