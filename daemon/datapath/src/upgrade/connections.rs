//! Open connections of a version whose connection entries have another layout. The new programs do
//! not know these entries and do not learn when the connections end, so they are no longer counted
//! once the new programs are attached. The connections themselves go on, to the same servers.

use std::io;

use sockvs_ebpf_common::{COUNT_MASK, COUNTED_ACTIVE, Destination, UNCOUNTED};

use sockvs_sys::bpf::RawMap;

use crate::upgrade::Migration;
use crate::upgrade::outer;
use crate::{
    loading::layout::{Layouts, MapLayout, RecordLayout},
    records::chunks::Chunks,
    records::live::LiveDestination,
};

impl Migration<'_> {
    /// Subtracts the connections in these maps from the counters of their destinations. Must be
    /// called when no old program runs any more. Entries are zeroed, so that each is subtracted
    /// only once.
    pub(crate) fn uncount(&self, old: &Layouts) -> io::Result<()> {
        let Some(destinations) = self.new.map("DESTINATION_RECORDS") else {
            return Ok(());
        };
        let map = outer(&self.pins.file(&destinations.file()))?;
        let per_chunk = destinations.per_chunk.unwrap_or(1);
        let destinations: Chunks<Destination> =
            Chunks::open("DESTINATION_RECORDS", map, per_chunk).map_err(io::Error::other)?;
        let mut uncounted = 0_u64;
        for name in ["CONNECTIONS", "OVERFLOW", "FLOWS"] {
            let Some((layout, _)) = self.changed(old, name) else {
                continue;
            };
            let (Some(map), Some(entry)) = (self.open(layout)?, Entry::of(layout)) else {
                continue;
            };
            for key in map.keys()? {
                uncounted += uncount(&map, &key, &entry, &destinations)?;
            }
        }
        if uncounted > 0 {
            tracing::info!(
                connections = uncounted,
                "open connections of another version are not counted any more"
            );
        }
        Ok(())
    }
}

/// The offsets of the fields in an entry that are needed for counting.
struct Entry {
    size: usize,
    counted: usize,
    destination: usize,
}

impl Entry {
    fn of(layout: &MapLayout) -> Option<Self> {
        let value: &RecordLayout = &layout.value;
        let at = |name: &str| {
            let prefixed = format!("connection.{name}");
            let field = value
                .fields
                .iter()
                .find(|field| field.name == name || field.name == prefixed)?;
            (field.size == 4 && field.at + 4 <= value.size).then_some(field.at)
        };
        Some(Self {
            size: value.size.max(4),
            counted: at("origin.counted")?,
            destination: at("origin.destination")?,
        })
    }

    /// The index of the destination's record, and whether the connection counts as active.
    fn read(&self, entry: &[u8]) -> Option<(u32, bool)> {
        let word = |at: usize| {
            entry
                .get(at..)?
                .first_chunk()
                .copied()
                .map(u32::from_ne_bytes)
        };
        let counted = word(self.counted)? & COUNT_MASK;
        (counted != UNCOUNTED)
            .then(|| Some((word(self.destination)?, counted == COUNTED_ACTIVE)))
            .flatten()
    }
}

fn uncount(
    map: &RawMap,
    key: &[u8],
    entry: &Entry,
    destinations: &Chunks<Destination>,
) -> io::Result<u64> {
    let Some(value) = map.get(key)? else {
        return Ok(0);
    };
    let counted: Vec<_> = value
        .chunks_exact(entry.size)
        .filter_map(|bytes| entry.read(bytes))
        .collect();
    if counted.is_empty() {
        return Ok(0);
    }
    map.put(key, &vec![0; value.len()])?;
    for (destination, active) in &counted {
        if let Some(record) = LiveDestination::at(destinations, *destination) {
            record.uncount(*active);
        }
    }
    Ok(counted.len() as u64)
}

#[cfg(test)]
mod tests {
    use sockvs_ebpf_common::{COUNTED_INACTIVE, Connection, FREE_WHEN_READ, OverflowConnection};

    use super::*;

    #[test]
    fn an_entry_of_either_map_tells_where_it_is_counted() {
        let ours = Layouts::ours(1);
        for (name, size) in [
            ("CONNECTIONS", size_of::<Connection>()),
            ("OVERFLOW", size_of::<OverflowConnection>()),
        ] {
            let entry = Entry::of(ours.map(name).expect("it is ours")).expect("it has both");
            assert_eq!(entry.size, size, "{name}");
            let mut bytes = vec![0; size];
            assert_eq!(entry.read(&bytes), None, "{name}");
            let mut set = |at: usize, word: u32| {
                bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
                entry.read(&bytes)
            };
            set(entry.destination, 7);
            assert_eq!(set(entry.counted, COUNTED_ACTIVE), Some((7, true)));
            assert_eq!(
                set(entry.counted, COUNTED_INACTIVE | FREE_WHEN_READ),
                Some((7, false))
            );
        }
    }
}
