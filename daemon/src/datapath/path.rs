//! What the table asks of the data path, and what the data path keeps for it.
//!
//! How a service's new state is brought into force is in `publish`.

use std::collections::HashMap;

use sockvs_ebpf_common::{
    Destination as DestinationRecord, Selection, Service as ServiceRecord, ServiceKey as RecordKey,
    Terms,
};

use super::{
    addresses::Addresses,
    chunks::Chunks,
    common::Common,
    live::{LiveDestination, LiveService},
    rates::Rates,
    records,
    room::{Indexes, Stretch, Stretches},
    scheduler::{Plan, Server},
    sync_daemons::SyncDaemons,
    templates::Held,
    walk::Walk,
};
use crate::ipvs::{
    Cause, Connection, DataPath, DataPathFull, DestinationId, DestinationReading, Namespace,
    Service, ServiceId, Settings, Stats, SyncDaemon, SyncState, Timeouts,
};

/// The maps that the programs follow, and what this daemon knows of their contents.
pub struct MapPath {
    pub(super) addresses: Addresses,
    pub(super) common: Common,
    pub(super) sync_daemons: SyncDaemons,
    pub(super) service_records: Chunks<ServiceRecord>,
    pub(super) destination_records: Chunks<DestinationRecord>,
    pub(super) slots: Chunks<u64>,
    pub(super) service_room: Indexes,
    pub(super) destination_room: Indexes,
    pub(super) slot_room: Stretches,
    pub(super) services: HashMap<ServiceId, Published>,
    pub(super) destinations: HashMap<DestinationId, u32>,
    pub(super) service_rates: Rates<ServiceId>,
    pub(super) destination_rates: Rates<DestinationId>,
    /// Records of destinations that an earlier daemon deleted while connections were counted there.
    pub(super) lingering: Vec<u32>,
    /// How many clients persistence holds where.
    pub(super) held: Held,
    /// Numbers records in the order in which they were added.
    pub(super) born: u64,
    /// The way to the sockets, where the kernel allows it.
    pub(super) walk: Option<Walk>,
}

/// A service in the maps.
pub(super) struct Published {
    /// Where its record stands.
    pub(super) index: u32,
    /// What leads connections to it.
    pub(super) lookup: Option<RecordKey>,
    /// Its destinations, in the order of its list.
    pub(super) servers: Vec<Server>,
    /// What new connections go through.
    pub(super) plan: Plan,
    /// The slots that the plan is written in.
    pub(super) stretch: Stretch,
}

impl DataPath for MapPath {
    fn publish(
        &mut self,
        ns: Namespace,
        service: &Service,
        cause: Cause,
    ) -> Result<(), DataPathFull> {
        match self.services.remove(&service.id()) {
            None => self.add(ns, service),
            Some(mut published) => {
                let result = self.change(&mut published, service, cause);
                self.services.insert(service.id(), published);
                result
            }
        }
    }

    fn withdraw(&mut self, ns: Namespace, service: &Service) {
        let Some(published) = self.services.remove(&service.id()) else {
            return;
        };
        if let Some(key) = published.lookup {
            if let Err(error) = self.addresses.remove(&key) {
                tracing::error!(service = %service.key(), %error, "a deleted service is still in the map");
            }
            self.common.subtract(records::rare(&key));
        }
        for server in &published.servers {
            self.free_destination(server.index);
        }
        if let Some(record) = LiveService::at(&self.service_records, published.index) {
            record.bring_into_force(Selection::default(), Terms::default());
            record.set_free();
        }
        self.slot_room.give_back(published.stretch);
        self.service_room.give_back(published.index);
        self.service_rates.forget(&service.id());
        self.end_orphans(ns, published.servers.iter().map(|server| server.index));
    }

    fn configure(&mut self, ns: Namespace, timeouts: &Timeouts, settings: &Settings) {
        self.common.configure(ns, timeouts, settings);
        let udp = self.common.udp_timeout(ns);
        let expire_quiescent = self.common.expire_quiescent(ns);
        for published in self.services.values() {
            if let Some(record) = LiveService::at(&self.service_records, published.index)
                && record.key().netns == ns.0
            {
                record.set_udp_timeout(udp);
                record.set_terms(records::with_expire_quiescent(
                    record.terms(),
                    expire_quiescent,
                ));
            }
        }
        self.end_all_orphans(ns);
    }

    fn set_sync_daemon(&mut self, ns: Namespace, state: SyncState, daemon: Option<&SyncDaemon>) {
        self.sync_daemons.set(ns, state, daemon);
    }

    fn zeroed(&mut self, _ns: Namespace, service: &Service) {
        if let Some(published) = self.services.get(&service.id())
            && let Some(record) = LiveService::at(&self.service_records, published.index)
        {
            record.set_zero_point(service.zero_point());
            self.service_rates.zero(service.id(), &record.stats());
        }
        for destination in service.destinations() {
            let id = destination.id();
            let Some(index) = self.destinations.get(&id) else {
                continue;
            };
            if let Some(record) = LiveDestination::at(&self.destination_records, *index) {
                record.set_zero_point(destination.zero_point());
                self.destination_rates.zero(id, &record.reading().stats);
            }
        }
    }

    fn estimate(&mut self) {
        // Where nothing was ever counted, and that may be nearly everywhere, there is nothing to estimate.
        let (services, destinations) = (&self.service_records, &self.destination_records);
        let used: Vec<_> = self
            .services
            .iter()
            .filter_map(|(id, published)| {
                let record = LiveService::at(services, published.index)?;
                record.has_counted().then_some((*id, published, record))
            })
            .collect();
        let servers = || {
            let servers = used.iter().flat_map(|(_, published, _)| &published.servers);
            servers.filter_map(|server| {
                Some((server.id, LiveDestination::at(destinations, server.index)?))
            })
        };
        // Without connections, there is nothing to add up. (Those to servers that were deleted are added
        // to their service's counters when they end, or when somebody asks.)
        if servers().any(|(_, record)| record.is_connected()) {
            self.add_up();
        }
        self.service_rates
            .estimate(used.iter().map(|(id, _, record)| (*id, record.stats())));
        self.destination_rates
            .estimate(servers().map(|(id, record)| (id, record.reading().stats)));
    }

    fn forget_namespace(&mut self, ns: Namespace) {
        self.common.forget(ns);
        self.sync_daemons.forget(ns);
    }

    fn forget(&mut self, id: DestinationId) {
        self.destination_rates.forget(&id);
        if let Some(index) = self.destinations.remove(&id) {
            self.destination_room.give_back(index);
        }
    }

    fn service_stats(&self, _ns: Namespace, id: ServiceId) -> Stats {
        self.add_up();
        self.services
            .get(&id)
            .and_then(|published| LiveService::at(&self.service_records, published.index))
            .map(LiveService::stats)
            .map(|stats| self.service_rates.with_rates(&id, stats))
            .unwrap_or_default()
    }

    fn destination_reading(&self, _ns: Namespace, id: DestinationId) -> DestinationReading {
        self.add_up();
        let (Some(index), Some(record)) = (self.destinations.get(&id), self.destination(id)) else {
            return DestinationReading::default();
        };
        let reading = record.reading();
        DestinationReading {
            persistent: self.held.to(*index),
            stats: self.destination_rates.with_rates(&id, reading.stats),
            ..reading
        }
    }

    fn connections(&self) -> Vec<Connection> {
        self.open_connections()
    }
}
