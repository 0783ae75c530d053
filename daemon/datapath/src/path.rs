//! What the table asks of the data path, and what the data path keeps for it.
//!
//! How a service's new state is brought into force is in `publish`.

use std::cell::RefCell;

use sockvs_ebpf_common::{
    Destination as DestinationRecord, SchedParams, Selection, Service as ServiceRecord,
};

use super::{
    addresses::Addresses,
    chunks::Chunks,
    common::Common,
    edits::Edits,
    live::{LiveDestination, LiveService},
    owners::Owners,
    rates::Rates,
    records,
    room::Indexes,
    scheduler::Memory,
    sequences::stretch,
    stretches::Stretches,
    sync_daemons::SyncDaemons,
    templates::Held,
    walk::Walk,
};
use sockvs_ipvs::{
    Cause, Connection, DataPath, DataPathFull, DestinationId, DestinationReading, Namespace, Owner,
    Service, ServiceId, Settings, Stats, SyncDaemon, SyncState, Timeouts, Usage,
};

/// The maps that the programs follow, and what this daemon knows of their contents.
pub struct MapPath {
    pub(super) addresses: Addresses,
    pub(super) common: Common,
    pub(super) sync_daemons: SyncDaemons,
    pub(super) edits: Edits,
    pub(super) service_records: Chunks<ServiceRecord>,
    pub(super) destination_records: Chunks<DestinationRecord>,
    pub(super) slots: Chunks<u64>,
    pub(super) service_room: Indexes,
    pub(super) destination_room: Indexes,
    pub(super) slot_room: Stretches,
    /// Whose the namespaces are.
    pub(super) owners: Owners,
    /// What the services' schedulers remember, by index.
    pub(super) memories: Vec<Memory>,
    pub(super) service_rates: Rates<ServiceId>,
    pub(super) destination_rates: Rates<DestinationId>,
    /// Records of destinations that an earlier daemon deleted while connections were counted there.
    pub(super) lingering: Vec<u32>,
    /// How many clients persistence holds where.
    pub(super) held: Held,
    /// Numbers records in the order in which they were added.
    pub(super) born: u64,
    /// The way to the sockets, where the kernel allows it.
    pub(super) walk: Option<RefCell<Walk>>,
}

impl DataPath for MapPath {
    fn begin_namespace(&mut self, ns: Namespace, owner: Owner) -> Result<(), DataPathFull> {
        self.begin(ns, owner)
    }

    fn name_service(&mut self, ns: Namespace) -> Result<ServiceId, DataPathFull> {
        self.service_room.take(self.owners.of(ns)).map(ServiceId)
    }

    fn name_destination(&mut self, ns: Namespace) -> Result<DestinationId, DataPathFull> {
        self.reclaim();
        let index = self.destination_room.take(self.owners.of(ns))?;
        if let Err(full) = self.destination_records.ensure(index) {
            self.destination_room.give_back(index);
            return Err(full);
        }
        let id = DestinationId(index);
        if let Some(record) = self.destination(id) {
            record.use_anew();
        }
        self.zero_destination(id);
        Ok(id)
    }

    fn publish(
        &mut self,
        ns: Namespace,
        service: &Service,
        cause: Cause,
    ) -> Result<(), DataPathFull> {
        match cause {
            Cause::ServiceAdded => self.add(ns, service),
            _ => self.change(ns, service, cause),
        }
    }

    fn withdraw(&mut self, ns: Namespace, service: &Service) {
        if let Some(key) = records::lookup_key(ns, service.key()) {
            if let Err(error) = self.addresses.remove(&key) {
                tracing::error!(service = %service.key(), %error, "a deleted service is still in the map");
            }
            self.common.subtract(records::rare(&key));
        }
        for destination in service.destinations() {
            self.free_destination(destination.id());
        }
        if let Some(record) = self.service(service.id()) {
            let stretch = stretch(&record.selection());
            record.bring_into_force(Selection::default(), SchedParams::default());
            record.set_free();
            self.slot_room
                .give_back(stretch, self.service_room.owner(service.id().0));
        }
        self.service_room.give_back(service.id().0);
        self.service_rates.forget(&service.id());
        self.end_orphans(ns, service.destinations().map(|gone| gone.id().0));
    }

    fn configure(&mut self, ns: Namespace, timeouts: &Timeouts, settings: &Settings) {
        self.common.configure(ns, timeouts, settings);
        let udp = self.common.udp_timeout(ns);
        let expire_quiescent = self.common.expire_quiescent(ns);
        for index in 0..self.service_records.len() {
            if let Some(record) = self.service(ServiceId(index))
                && record.is_live()
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

    fn zero(&mut self, _ns: Namespace, service: &Service) {
        self.add_up();
        if let Some(record) = self.service(service.id()) {
            record.zero();
            self.service_rates.zero(&service.id());
        }
        for destination in service.destinations() {
            let id = destination.id();
            if let Some(record) = self.destination(id) {
                record.zero();
            }
            self.destination_rates.zero(&id);
        }
    }

    fn zero_destination(&mut self, id: DestinationId) {
        if let Some(record) = self.destination(id) {
            record.zero();
            record.leave();
        }
        self.destination_rates.zero(&id);
    }

    fn estimate(&mut self, services: &mut dyn Iterator<Item = &Service>) {
        // Where nothing was ever counted, and that may be nearly everywhere, there is nothing to
        // estimate.
        let records = &self.service_records;
        let used: Vec<(&Service, LiveService<'_>)> = services
            .filter_map(|service| {
                let record = LiveService::at(records, service.id().0)?;
                record.has_counted().then_some((service, record))
            })
            .collect();
        let destinations = &self.destination_records;
        let servers = || {
            let servers = used.iter().flat_map(|(service, _)| service.destinations());
            servers.filter_map(|server| {
                let record = LiveDestination::at(destinations, server.id().0)?;
                Some((server.id(), record))
            })
        };
        // Without connections, there is nothing to add up. (Those to servers that were deleted are
        // added to their service's counters when they end, or when somebody asks.)
        if servers().any(|(_, record)| record.is_connected()) {
            self.add_up();
        }
        self.service_rates.estimate(
            used.iter()
                .map(|(service, record)| (service.id(), record.stats())),
        );
        self.destination_rates
            .estimate(servers().map(|(id, record)| (id, record.reading().stats)));
    }

    fn forget_namespace(&mut self, ns: Namespace) {
        self.common.forget(ns);
        self.sync_daemons.forget(ns);
        self.owners.forget(ns);
    }

    fn forget(&mut self, id: DestinationId) {
        self.destination_rates.forget(&id);
        self.destination_room.give_back(id.0);
    }

    fn service_stats(&self, _ns: Namespace, id: ServiceId) -> Stats {
        self.add_up();
        self.service(id)
            .map(LiveService::stats)
            .map(|stats| self.service_rates.with_rates(&id, stats))
            .unwrap_or_default()
    }

    fn destination_reading(&self, _ns: Namespace, id: DestinationId) -> DestinationReading {
        self.add_up();
        let Some(record) = self.destination(id) else {
            return DestinationReading::default();
        };
        let reading = record.reading();
        DestinationReading {
            persistent: self.held.to(id.0),
            stats: self.destination_rates.with_rates(&id, reading.stats),
            ..reading
        }
    }

    fn usage(&self) -> Vec<Usage> {
        vec![
            self.service_room.usage(),
            self.destination_room.usage(),
            self.slot_room.usage(),
            self.owners.usage(),
        ]
    }

    fn connections(&self) -> Vec<Connection> {
        self.open_connections()
    }
}
