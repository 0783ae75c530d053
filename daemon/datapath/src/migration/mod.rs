//! Carrying a table over to maps of another layout, when a daemon of another version takes over.
//!
//! The new maps are filled before any program follows them, so every `connect(2)` meets a whole
//! table: the old one or the new one. Records keep their indexes, so that what sockets remember is
//! true of both. While programs are replaced one by one, some connections are counted in old
//! records and some in new ones; the new ones begin at zero, and in the end what the old ones have
//! is added. A field that the earlier version did not have is zero.
//!
//! A daemon that is killed in the middle leaves a directory whose `layouts` still are the old ones,
//! and its announcement. The next one carries over again, whatever version it is; in the end it
//! adds what is counted in all records but its own.
//!
//! What sockets remember, templates and slots are changed by programs in place and cannot be
//! carried over like this. Slots' layout stays as it is (a test in `layout` sees to it). Where that
//! of connections changes, those that are open are not counted any more (`connections`), and where
//! that of templates does, clients may get another server once.

mod connections;

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

use super::{
    chunks::Chunks,
    layout::{Layouts, MapLayout, RecordLayout},
    translation::{Translation, has_second_configuration, with_configuration},
};

/// The fields of records that programs count in.
const COUNTERS: [&str; 7] = [
    "conns", "active", "total", "inpkts", "outpkts", "inbytes", "outbytes",
];
/// Those that an earlier version did not zero but told from `zero_point` on, in this order.
const ZEROED: [&str; 5] = ["conns", "inpkts", "outpkts", "inbytes", "outbytes"];
/// The maps that only a daemon changes.
const TABLES: [&str; 5] = ["GLOBALS", "NAMESPACES", "SYNC_DAEMONS", "EDIT", "SERVICES"];

/// From which layouts to which.
pub(super) struct Migration<'a> {
    pins: &'a PinDirectory,
    /// Where the table is, if that is elsewhere.
    table: Option<Layouts>,
    /// Where connections may have been counted.
    counted: Vec<Layouts>,
    new: &'a Layouts,
}

impl<'a> Migration<'a> {
    /// What there is to do before and after the programs are attached, if anything: a new directory
    /// only has to learn whose it is. It is announced.
    pub(super) fn due(pins: &'a PinDirectory, new: &'a Layouts) -> io::Result<Option<Self>> {
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

    /// Fills the new maps, which are pinned already, with all but what is counted.
    pub(super) fn carry_over(&self) -> io::Result<()> {
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

    /// No program follows the old maps any more: adds what is counted there to what is counted in
    /// the new ones, which are the table from now on.
    pub(super) fn settle(&self) -> io::Result<()> {
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

    /// The layouts of a map, if they differ.
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

/// Waits until no program runs that ran before.
fn await_programs() -> io::Result<()> {
    /// `MEMBARRIER_CMD_GLOBAL` waits for a grace period of RCU, and programs run under its lock.
    const GLOBAL: libc::c_int = 1;
    // SAFETY: the call takes numbers only.
    match unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A map of records, old and new.
trait Records {
    /// Fills new records, but for the counters.
    fn carry_over(&mut self, old: &RecordLayout, new: &RecordLayout) -> io::Result<()>;
    /// Moves what is counted to the new records.
    fn settle(&mut self, old: &RecordLayout, new: &RecordLayout) -> io::Result<()>;
    /// Takes from that what an earlier version had only noted as zeroed.
    fn zero(&mut self, old: &RecordLayout, new: &RecordLayout) -> io::Result<()>;
}

struct Both<T> {
    /// Word by word: this version has no type for them.
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

/// Records are made of whole words.
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
                // SAFETY: an aligned word of a mapping, which programs write whole.
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
                    // SAFETY: `Translation` keeps within the new record, whose layout is that of
                    // `T`.
                    let place = unsafe { record.as_ptr().cast::<u8>().add(at) };
                    // SAFETY: as above; no program follows the record yet.
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
    /// Takes a word out of each old record and gives it to one of the new record, where both have
    /// them.
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
            // SAFETY: as above; programs change it as a whole, too.
            let new = unsafe { AtomicU64::from_ptr(new) };
            // Between these two nothing can be waited for, and so nothing is lost.
            let word = old.swap(0, Ordering::AcqRel);
            give(new, word);
        }
        Ok(())
    }
}

/// Which word of a record a counter is.
fn word(record: &RecordLayout, name: &str) -> Option<u32> {
    let field = record.fields.iter().find(|field| field.name == name)?;
    let is_word = field.size == 8 && field.at.is_multiple_of(8) && field.at + 8 <= record.size;
    is_word.then(|| u32::try_from(field.at / 8).ok())?
}
