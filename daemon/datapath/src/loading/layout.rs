//! The layout of every pinned map, in this version and as recorded by an earlier one.
//!
//! A pinned map's file name contains a hash of its layout, so that no map is read with a wrong
//! layout. The layouts of an earlier version are recorded in a map of their own, `layouts`. Before
//! a version takes over, it announces its own layouts in another file, which becomes `layouts` at
//! the end of the migration.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sockvs_ebpf_common::{
    CONNECTIONS_PER_GROUP, Connection, DESTINATIONS_PER_CHUNK, Destination, Edit, Flow, FlowKey,
    Globals, MAX_SERVICES, Namespace, OverflowConnection, SERVICES_PER_CHUNK, SLOTS_PER_CHUNK,
    Service, ServiceKey, Share, SyncDaemon, SyncDaemonKey, Template, TemplateKey, Totals,
    layout::Layout,
};

use sockvs_sys::{bpf::RawMap, bpffs::PinDirectory};

use crate::Limits;

/// The map that holds the layouts. They are its only value, padded with zeros.
const FILE: &str = "layouts";

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) at: usize,
    pub(crate) size: usize,
}

/// A record, or a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordLayout {
    /// In bytes.
    pub(crate) size: usize,
    pub(crate) fields: Vec<Field>,
}

impl RecordLayout {
    fn of<T: Layout>() -> Self {
        let fields = T::of_record().into_iter().map(|field| Field {
            name: field.name,
            at: field.at,
            size: field.size,
        });
        Self {
            size: size_of::<T>(),
            fields: fields.collect(),
        }
    }
}

/// A map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MapLayout {
    /// Its name in the eBPF object.
    pub(crate) name: String,
    pub(crate) key: RecordLayout,
    pub(crate) value: RecordLayout,
    /// The records per chunk in a map of maps.
    pub(crate) per_chunk: Option<u32>,
    /// The maximum number of entries, if it can differ between directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entries: Option<u32>,
}

impl MapLayout {
    fn of<K: Layout, V: Layout>(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            key: RecordLayout::of::<K>(),
            value: RecordLayout::of::<V>(),
            per_chunk: None,
            entries: None,
        }
    }

    fn chunks<V: Layout>(name: &str, per_chunk: u32) -> Self {
        Self {
            per_chunk: Some(per_chunk),
            ..Self::of::<u32, V>(name)
        }
    }

    /// The name of its pin. (The file system allows no dots in names.)
    pub(crate) fn file(&self) -> String {
        let words = serde_json::to_vec(self).unwrap_or_default();
        format!("{}_{:08x}", self.name.to_lowercase(), hash(&words))
    }
}

/// FNV-1a: it has to be the same in every version.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// All maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layouts(Vec<MapLayout>);

impl Layouts {
    /// The layouts of this version, with space for this many services.
    pub(crate) fn ours(services: u32) -> Self {
        Self(vec![
            MapLayout::of::<u32, Globals>("GLOBALS"),
            MapLayout::of::<u64, Namespace>("NAMESPACES"),
            MapLayout::of::<SyncDaemonKey, SyncDaemon>("SYNC_DAEMONS"),
            MapLayout::of::<u32, Edit>("EDIT"),
            MapLayout {
                entries: Some(services),
                ..MapLayout::of::<ServiceKey, u32>("SERVICES")
            },
            MapLayout::chunks::<Service>("SERVICE_RECORDS", SERVICES_PER_CHUNK),
            MapLayout::chunks::<Destination>("DESTINATION_RECORDS", DESTINATIONS_PER_CHUNK),
            MapLayout::chunks::<u64>("SLOTS", SLOTS_PER_CHUNK),
            MapLayout::of::<TemplateKey, Template>("TEMPLATES"),
            MapLayout::chunks::<Connection>("CONNECTIONS", CONNECTIONS_PER_GROUP),
            MapLayout::of::<u64, OverflowConnection>("OVERFLOW"),
            MapLayout::of::<FlowKey, Flow>("FLOWS"),
            MapLayout::of::<u32, Share>("SHARES"),
            MapLayout::of::<u32, Totals>("TOTALS"),
            MapLayout::of::<u32, u64>("SERVERS"),
        ])
    }

    /// The layouts of the version whose table is in this directory, if there is one.
    pub(crate) fn pinned(pins: &PinDirectory) -> io::Result<Option<Self>> {
        Self::read(&pins.file(FILE))
    }

    /// The layouts of versions that began to take over.
    pub(crate) fn announced(pins: &PinDirectory) -> io::Result<Vec<Self>> {
        let mut announced = Vec::new();
        for entry in fs::read_dir(pins.path())? {
            let entry = entry?;
            if is_announcement(&entry.file_name()) {
                announced.extend(Self::read(&entry.path())?);
            }
        }
        Ok(announced)
    }

    /// For how many services the maps need space: for the limit, and at least as many as in the
    /// existing map. As this costs memory even without services, it is not simply the maximum.
    pub(crate) fn room_for_services(pins: &PinDirectory, limits: &Limits) -> io::Result<u32> {
        let most = limits.services.most.next_power_of_two();
        let pinned = Self::pinned(pins)?;
        let before = pinned.as_ref().and_then(|pinned| pinned.map("SERVICES"));
        // Earlier versions had space for the maximum.
        let before = before.map_or(0, |map| map.entries.unwrap_or(MAX_SERVICES));
        Ok(most.max(before).min(MAX_SERVICES))
    }

    fn read(path: &Path) -> io::Result<Option<Self>> {
        let Some(map) = RawMap::open(path)? else {
            return Ok(None);
        };
        let text = map.get(&0_u32.to_ne_bytes())?.unwrap_or_default();
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        serde_json::from_slice(text)
            .map(Some)
            .map_err(io::Error::from)
    }

    /// Announces that this version is about to take over.
    pub(crate) fn announce(&self, pins: &PinDirectory) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::from)?;
        let path = self.announcement(pins);
        if path.exists() {
            return Ok(());
        }
        RawMap::of_one_value("LAYOUTS", &text)?.pin(&path)
    }

    fn announcement(&self, pins: &PinDirectory) -> PathBuf {
        let text = serde_json::to_vec(self).unwrap_or_default();
        pins.file(&format!("{FILE}_{:08x}", hash(&text)))
    }

    /// Marks the directory's table as this version's.
    pub(crate) fn pin(&self, pins: &PinDirectory) -> io::Result<()> {
        fs::rename(self.announcement(pins), pins.file(FILE))?;
        for entry in fs::read_dir(pins.path())? {
            let entry = entry?;
            let name = entry.file_name();
            if is_announcement(&name) || name.to_str().is_some_and(|name| self.is_of_another(name))
            {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Whether it is the file of one of these maps with another layout.
    fn is_of_another(&self, file: &str) -> bool {
        let Some((map, _)) = file.rsplit_once('_') else {
            return false;
        };
        self.0
            .iter()
            .any(|layout| layout.name.to_lowercase() == map && layout.file() != file)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &MapLayout> {
        self.0.iter()
    }

    /// The map of this name.
    pub(crate) fn map(&self, name: &str) -> Option<&MapLayout> {
        self.0.iter().find(|layout| layout.name == name)
    }
}

fn is_announcement(file: &OsStr) -> bool {
    let name = file.to_str().unwrap_or_default();
    name.strip_prefix(FILE)
        .is_some_and(|rest| rest.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connection entries, templates and slots are not migrated (`migration`): a change of the
    /// slots' layout requires new code there, a change of the others loses their contents.
    #[test]
    fn layouts_that_cannot_be_migrated_are_unchanged() {
        let ours = Layouts::ours(1);
        let files = ["SLOTS", "TEMPLATES", "CONNECTIONS", "FLOWS", "SERVERS"]
            .map(|name| ours.map(name).expect("there is one").file());
        assert_eq!(
            files,
            [
                "slots_8846ebc2",
                "templates_6bdcc8de",
                "connections_46da8b58",
                "flows_4937b905",
                "servers_8ed3b53e",
            ]
        );
    }

    #[test]
    fn layouts_survive_serialization() {
        let ours = Layouts::ours(1);
        let text = serde_json::to_vec(&ours).expect("made of names and numbers");
        assert_eq!(
            serde_json::from_slice::<Layouts>(&text).expect("just written"),
            ours
        );
    }
}
