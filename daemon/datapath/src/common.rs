//! The map `GLOBALS`, which tells the programs which kinds of services exist, and the map
//! `NAMESPACES`, which keeps the configuration of namespaces for the next daemon.

use std::{collections::HashMap, time::Duration};

use aya::maps::{Array, HashMap as BpfHashMap, MapData, MapError};
use sockvs_ebpf_common::{Globals, Namespace as NamespaceRecord};

use crate::records;
use sockvs_ipvs::{Ipvs, Namespace, Setting, Settings, Timeouts, TimeoutsUpdate};

/// The two maps, with a copy of their contents.
pub(crate) struct Common {
    globals: Array<MapData, Globals>,
    counted: Globals,
    namespaces: BpfHashMap<MapData, u64, NamespaceRecord>,
    known: HashMap<Namespace, Known>,
}

/// The part of a namespace's configuration that the programs use.
#[derive(Clone, Copy, Default)]
struct Known {
    timeouts: Timeouts,
    expire_quiescent: bool,
    expire_nodest: bool,
}

impl Common {
    pub(crate) fn new(
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

    /// Counts one more service of these kinds. Must be called after the service can be found.
    pub(crate) fn add(&mut self, kinds: Globals) {
        self.count(Globals {
            all_ports: self.counted.all_ports + kinds.all_ports,
            ftp: self.counted.ftp + kinds.ftp,
        });
    }

    /// Counts one service of these kinds fewer.
    pub(crate) fn subtract(&mut self, kinds: Globals) {
        self.count(Globals {
            all_ports: self.counted.all_ports.saturating_sub(kinds.all_ports),
            ftp: self.counted.ftp.saturating_sub(kinds.ftp),
        });
    }

    /// Sets the numbers of services of each kind.
    pub(crate) fn count(&mut self, counted: Globals) {
        if counted == self.counted {
            return;
        }
        self.counted = counted;
        if let Err(error) = self.globals.set(0, counted, 0) {
            tracing::error!(%error, ?counted, "services for all ports may not be found");
        }
    }

    /// The namespace's UDP timeout in nanoseconds.
    pub(crate) fn udp_timeout(&self, ns: Namespace) -> u64 {
        let timeouts = self.known(ns).timeouts;
        records::nanoseconds(Duration::from_secs(timeouts.udp().into()))
    }

    /// Whether clients of servers with weight zero get another server in this namespace.
    pub(crate) fn expire_quiescent(&self, ns: Namespace) -> bool {
        self.known(ns).expire_quiescent
    }

    /// Whether connections end when their server is deleted in this namespace.
    pub(crate) fn expire_nodest(&self, ns: Namespace) -> bool {
        self.known(ns).expire_nodest
    }

    fn known(&self, ns: Namespace) -> Known {
        self.known.get(&ns).copied().unwrap_or_default()
    }

    /// Sets the namespace's configuration.
    pub(crate) fn configure(&mut self, ns: Namespace, timeouts: &Timeouts, settings: &Settings) {
        self.know(ns, timeouts, settings);
        let mut record = NamespaceRecord {
            timeouts: [timeouts.tcp(), timeouts.tcp_fin(), timeouts.udp()],
            ..NamespaceRecord::default()
        };
        let numbers = settings.all_numbers();
        for (to, from) in record.settings.iter_mut().zip(&numbers) {
            *to = *from;
        }
        record.numbers = u32::try_from(numbers.len()).unwrap_or(0);
        if let Err(error) = self.namespaces.insert(ns.0, record, 0) {
            tracing::warn!(namespace = ns.0, %error, "the next daemon will not know the settings");
        }
    }

    fn know(&mut self, ns: Namespace, timeouts: &Timeouts, settings: &Settings) {
        let known = Known {
            timeouts: *timeouts,
            expire_quiescent: settings.number(Setting::ExpireQuiescentTemplate) != 0,
            expire_nodest: settings.number(Setting::ExpireNodestConn) != 0,
        };
        self.known.insert(ns, known);
    }

    /// Removes the namespace.
    pub(crate) fn forget(&mut self, ns: Namespace) {
        if self.known.remove(&ns).is_some() {
            // A missing entry is no error here.
            let _ = self.namespaces.remove(&ns.0);
        }
    }

    /// Restores the namespaces' configuration from an earlier daemon.
    pub(crate) fn restore(&mut self, ipvs: &mut Ipvs) -> Result<(), MapError> {
        let kept: Vec<_> = self.namespaces.iter().collect::<Result<_, _>>()?;
        for (ns, record) in kept {
            let ns = Namespace(ns);
            let [tcp, tcp_fin, udp] = record.timeouts.map(Some);
            let numbers = usize::try_from(record.numbers).unwrap_or(0);
            let numbers = record.settings.get(..numbers).unwrap_or_default();
            let settings = Settings::from_all_numbers(numbers);
            let update = TimeoutsUpdate { tcp, tcp_fin, udp };
            let table = ipvs.table_mut(ns);
            if let Err(error) = table.resume(update, settings) {
                tracing::error!(namespace = ns.0, %error, "timeouts of an earlier daemon are lost");
            }
            self.know(ns, &table.timeouts(), table.settings());
        }
        Ok(())
    }
}
