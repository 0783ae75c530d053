//! The daemon's implementation of the data path: what the table calls, and the state behind it.
//!
//! `publish` decides how a service's new state is brought into force.

use sockvs_ebpf_common::{SchedParams, Selection};
use sockvs_ipvs::{
    Cause, Connection, DataPath, DataPathFull, DestinationId, DestinationReading, Namespace, Owner,
    Service, ServiceId, Settings, Stats, SyncDaemon, SyncState, Timeouts, Usage,
};

use crate::addresses::Addresses;
use crate::common::Common;
use crate::connections::OpenConnections;
use crate::edits::Edits;
use crate::records;
use crate::records::live::LiveService;
use crate::stores::owners::Owners;
use crate::stores::{DestinationStore, ScheduleStore, ServiceStore};
use crate::sync_daemons::SyncDaemons;
use crate::templates::Held;

/// The maps that the programs use, and the daemon's state about them.
pub struct Datapath {
    pub(crate) addresses: Addresses,
    pub(crate) common: Common,
    pub(crate) sync_daemons: SyncDaemons,
    pub(crate) edits: Edits,
    pub(crate) services: ServiceStore,
    pub(crate) destinations: DestinationStore,
    pub(crate) schedules: ScheduleStore,
    /// The owners of the namespaces.
    pub(crate) owners: Owners,
    /// How many clients persistence assigns to each destination.
    pub(crate) held: Held,
    /// The next number of a record, which orders records by age.
    pub(crate) born: u64,
    /// The open connections.
    pub(crate) open: OpenConnections,
}

impl DataPath for Datapath {
    fn begin_namespace(&mut self, ns: Namespace, owner: Owner) -> Result<(), DataPathFull> {
        if let Some(before) = self.owners.begin(ns, owner)? {
            self.pass_on(ns, before, owner);
        }
        Ok(())
    }

    fn alloc_service_id(&mut self, ns: Namespace) -> Result<ServiceId, DataPathFull> {
        self.services.alloc(self.owners.of(ns))
    }

    fn alloc_destination_id(&mut self, ns: Namespace) -> Result<DestinationId, DataPathFull> {
        self.destinations.alloc(self.owners.of(ns))
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
                tracing::error!(service = %service.key(), %error, "a deleted service is still in \
                    the map");
            }
            self.common.subtract(records::rare(&key));
        }
        for destination in service.destinations() {
            self.destinations.delete(destination.id());
        }
        let id = service.id();
        if let Some(record) = self.services.get(id) {
            let selection = record.selection();
            record.bring_into_force(Selection::default(), SchedParams::default());
            record.set_free();
            self.schedules.free(&selection, self.services.owner(id));
        }
        self.services.free(id);
        self.expire_nodest(ns, service.destinations().map(|gone| gone.id()));
    }

    fn configure(&mut self, ns: Namespace, timeouts: &Timeouts, settings: &Settings) {
        self.common.configure(ns, timeouts, settings);
        let udp = self.common.udp_timeout(ns);
        let expire_quiescent = self.common.expire_quiescent(ns);
        let services = self.services.live();
        for (_, record) in services.filter(|(_, record)| record.key().netns == ns.0) {
            record.set_udp_timeout(udp);
            record.set_terms(records::with_expire_quiescent(
                record.terms(),
                expire_quiescent,
            ));
        }
        self.expire_nodest(ns, self.destinations.ids());
    }

    fn set_sync_daemon(&mut self, ns: Namespace, state: SyncState, daemon: Option<&SyncDaemon>) {
        self.sync_daemons.set(ns, state, daemon);
    }

    fn zero(&mut self, _ns: Namespace, service: &Service) {
        self.open.settle();
        self.services.zero(service.id());
        for destination in service.destinations() {
            self.destinations.zero(destination.id());
        }
    }

    fn zero_destination(&mut self, id: DestinationId) {
        self.destinations.reset(id);
    }

    fn estimate(&mut self, services: &mut dyn Iterator<Item = &Service>) {
        // Services that never counted anything, which may be nearly all, are left out.
        let used: Vec<&Service> = services
            .filter(|service| {
                let record = self.services.get(service.id());
                record.is_some_and(LiveService::has_counted)
            })
            .collect();
        let servers = || used.iter().flat_map(|service| service.destinations());
        let is_connected = |id| {
            let record = self.destinations.get(id);
            record.is_some_and(|record| record.is_connected())
        };
        // Without connections, there is nothing to add up. (Connections to deleted servers are
        // added to their service's counters when they end, or when counters are read.)
        if servers().any(|server| is_connected(server.id())) {
            self.open.settle();
        }
        let counted: Vec<_> = used
            .iter()
            .filter_map(|service| Some((service.id(), self.services.get(service.id())?.stats())))
            .collect();
        self.services.estimate(counted.into_iter());
        let counted: Vec<_> = servers()
            .filter_map(|server| {
                let record = self.destinations.get(server.id())?;
                Some((server.id(), record.reading().stats))
            })
            .collect();
        self.destinations.estimate(counted.into_iter());
    }

    fn forget_namespace(&mut self, ns: Namespace) {
        self.common.forget(ns);
        self.sync_daemons.forget(ns);
        self.owners.forget(ns);
    }

    fn free_destination_id(&mut self, id: DestinationId) {
        self.destinations.free(id);
    }

    fn service_stats(&self, _ns: Namespace, id: ServiceId) -> Stats {
        self.open.settle();
        self.services.stats(id)
    }

    fn destination_reading(&self, _ns: Namespace, id: DestinationId) -> DestinationReading {
        self.open.settle();
        DestinationReading {
            persistent: self.held.to(id.0),
            ..self.destinations.reading(id)
        }
    }

    fn usage(&self) -> Vec<Usage> {
        vec![
            self.services.usage(),
            self.destinations.usage(),
            self.schedules.usage(),
            self.owners.usage(),
        ]
    }

    fn connections(&self) -> Vec<Connection> {
        self.open.list(&self.services, &self.destinations)
    }
}
