//! What the programs and the next daemon find beside the services: the map `GLOBALS`, which says
//! what kinds of services there are, and `NAMESPACES`, which keeps what belongs to a namespace.

use std::{collections::HashMap, time::Duration};

use aya::maps::{Array, HashMap as BpfHashMap, MapData, MapError};
use sockvs_ebpf_common::{Globals, Namespace as NamespaceRecord};

use super::records;
use crate::ipvs::{Namespace, Timeouts};

/// The two maps, and what is in them.
pub(super) struct Common {
    globals: Array<MapData, Globals>,
    counted: Globals,
    namespaces: BpfHashMap<MapData, u64, NamespaceRecord>,
    known: HashMap<Namespace, Timeouts>,
}

impl Common {
    pub(super) fn new(
        globals: Array<MapData, Globals>,
        namespaces: BpfHashMap<MapData, u64, NamespaceRecord>,
    ) -> Self {
        Self {
            globals,
            counted: Globals::default(),
            namespaces,
            known: HashMap::new(),
        }
    }

    /// One more service of these kinds. To be called when it can be found.
    pub(super) fn add(&mut self, kinds: Globals) {
        self.count(Globals {
            all_ports: self.counted.all_ports + kinds.all_ports,
            ftp: self.counted.ftp + kinds.ftp,
        });
    }

    /// One service of these kinds fewer.
    pub(super) fn subtract(&mut self, kinds: Globals) {
        self.count(Globals {
            all_ports: self.counted.all_ports.saturating_sub(kinds.all_ports),
            ftp: self.counted.ftp.saturating_sub(kinds.ftp),
        });
    }

    /// Says how many services there are of each kind.
    pub(super) fn count(&mut self, counted: Globals) {
        if counted == self.counted {
            return;
        }
        self.counted = counted;
        if let Err(error) = self.globals.set(0, counted, 0) {
            tracing::error!(%error, ?counted, "services for all ports may not be found");
        }
    }

    /// The namespace's UDP timeout in nanoseconds.
    pub(super) fn udp_timeout(&self, ns: Namespace) -> u64 {
        let timeouts = self.known.get(&ns).copied().unwrap_or_default();
        records::nanoseconds(Duration::from_secs(timeouts.udp().into()))
    }

    /// The namespace has these timeouts now.
    pub(super) fn set_timeouts(&mut self, ns: Namespace, timeouts: &Timeouts) {
        self.known.insert(ns, *timeouts);
        let record = NamespaceRecord {
            timeouts: [timeouts.tcp(), timeouts.tcp_fin(), timeouts.udp()],
            zero: 0,
        };
        if let Err(error) = self.namespaces.insert(ns.0, record, 0) {
            tracing::warn!(namespace = ns.0, %error, "the next daemon will not know the timeouts");
        }
    }

    /// The namespace is no more.
    pub(super) fn forget(&mut self, ns: Namespace) {
        if self.known.remove(&ns).is_some() {
            // Nothing can be lost by an entry that is not there.
            let _ = self.namespaces.remove(&ns.0);
        }
    }

    /// What an earlier daemon kept: the timeouts of namespaces, in seconds.
    pub(super) fn kept(&self) -> Result<Vec<(Namespace, [u32; 3])>, MapError> {
        let entries = self.namespaces.iter();
        entries
            .map(|entry| entry.map(|(ns, record)| (Namespace(ns), record.timeouts)))
            .collect()
    }
}
