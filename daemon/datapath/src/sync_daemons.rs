//! The configured sync daemons, kept for the next daemon in the map `SYNC_DAEMONS`. The programs do
//! not use it.

use aya::maps::{HashMap, MapData, MapError};
use sockvs_ebpf_common::{SyncDaemon as Record, SyncDaemonKey as Key};

use crate::records::{address_words, family, ip_address, name, until_zero};
use sockvs_ipvs::{Family, Namespace, SyncDaemon, SyncDaemonSpec, SyncState};

/// The map.
pub(crate) struct SyncDaemons(HashMap<MapData, Key, Record>);

impl SyncDaemons {
    pub(crate) fn new(map: HashMap<MapData, Key, Record>) -> Self {
        Self(map)
    }

    /// Sets the namespace's sync daemon of this state.
    pub(crate) fn set(&mut self, ns: Namespace, state: SyncState, daemon: Option<&SyncDaemon>) {
        let key = key(ns, state);
        let result = match daemon {
            Some(daemon) => self.0.insert(key, record(daemon), 0),
            None => self.0.remove(&key),
        };
        if let Err(error) = result {
            tracing::warn!(namespace = ns.0, %state, %error, "the next daemon will not know of \
                the sync daemon's change");
        }
    }

    /// Removes the namespace.
    pub(crate) fn forget(&mut self, ns: Namespace) {
        for state in [SyncState::Master, SyncState::Backup] {
            // A missing entry is no error here.
            let _ = self.0.remove(&key(ns, state));
        }
    }

    /// The configurations of sync daemons that an earlier daemon kept, as clients would send them;
    /// `None` for an invalid record.
    pub(crate) fn kept(&self) -> Result<Vec<(Namespace, Option<SyncDaemonSpec>)>, MapError> {
        let kept = self.0.iter().map(|entry| {
            let (key, record) = entry?;
            Ok((Namespace(key.netns), spec(&key, &record)))
        });
        kept.collect()
    }
}

fn key(ns: Namespace, state: SyncState) -> Key {
    Key {
        netns: ns.0,
        state: state.to_raw(),
        zero: 0,
    }
}

fn record(daemon: &SyncDaemon) -> Record {
    let group = daemon.group();
    Record {
        group: address_words(group),
        interface: name(daemon.interface()),
        sync_id: daemon.sync_id(),
        max_length: daemon.max_length(),
        port: daemon.port(),
        ttl: daemon.ttl(),
        family: family(Family::of(group)),
        zero: 0,
    }
}

fn spec(key: &Key, record: &Record) -> Option<SyncDaemonSpec> {
    let family = Family::from_raw(record.family.into())?;
    Some(SyncDaemonSpec {
        state: key.state,
        interface: until_zero(&record.interface).to_vec(),
        sync_id: record.sync_id,
        max_length: record.max_length,
        group: Some(ip_address(family, &record.group)),
        port: record.port,
        ttl: record.ttl,
    })
}
