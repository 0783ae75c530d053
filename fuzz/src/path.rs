//! The data path's fake, which the server owns and the target looks into.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use sockvs_ipvs::{
    Cause, DataPath, DataPathFull, DestinationId, DestinationReading, Namespace, Owner, Service,
    ServiceId, Settings, Stats, SyncDaemon, SyncState, Timeouts, fake::FakePath,
};

/// A fake with two owners.
#[derive(Clone, Default)]
pub struct SharedPath(Arc<Mutex<Followed>>);

/// A fake, and what connections would follow.
#[derive(Default)]
pub struct Followed {
    /// The fake.
    pub fake: FakePath,
    /// How often it was told something.
    pub told: usize,
    services: BTreeMap<(Namespace, ServiceId), Service>,
    sync_daemons: Vec<(Namespace, SyncDaemon)>,
}

impl SharedPath {
    /// The fake, for a short while.
    pub fn lock(&self) -> MutexGuard<'_, Followed> {
        self.0.lock().expect("nothing panics while it has the fake")
    }
}

impl Followed {
    /// The services of a namespace that connections follow, in the order of their ids.
    pub fn services(&self, ns: Namespace) -> impl Iterator<Item = &Service> {
        let all = self.services.iter();
        all.filter(move |((its, _), _)| *its == ns)
            .map(|(_, service)| service)
    }

    /// Whether a sync daemon is taken to run in a namespace.
    pub fn runs(&self, ns: Namespace, daemon: &SyncDaemon) -> bool {
        let mut all = self.sync_daemons.iter();
        all.any(|(its, running)| (*its, running) == (ns, daemon))
    }

    /// How many of them there are.
    pub fn sync_daemons(&self, ns: Namespace) -> usize {
        let all = self.sync_daemons.iter();
        all.filter(|(its, _)| *its == ns).count()
    }
}

impl DataPath for SharedPath {
    fn begin_namespace(&mut self, ns: Namespace, owner: Owner) -> Result<(), DataPathFull> {
        self.lock().fake.begin_namespace(ns, owner)
    }

    fn alloc_service_id(&mut self, ns: Namespace) -> Result<ServiceId, DataPathFull> {
        self.lock().fake.alloc_service_id(ns)
    }

    fn alloc_destination_id(&mut self, ns: Namespace) -> Result<DestinationId, DataPathFull> {
        self.lock().fake.alloc_destination_id(ns)
    }

    fn publish(
        &mut self,
        ns: Namespace,
        service: &Service,
        cause: Cause,
    ) -> Result<(), DataPathFull> {
        let mut followed = self.lock();
        followed.fake.publish(ns, service, cause)?;
        // They are remembered below.
        followed.fake.published.clear();
        followed.told += 1;
        let added = followed
            .services
            .insert((ns, service.id()), service.clone());
        assert_eq!(added.is_none(), cause == Cause::ServiceAdded, "{cause:?}");
        Ok(())
    }

    fn withdraw(&mut self, ns: Namespace, service: &Service) {
        let mut followed = self.lock();
        followed.told += 1;
        let withdrawn = followed.services.remove(&(ns, service.id()));
        assert!(withdrawn.is_some(), "{} was followed", service.key());
        followed.fake.services.remove(&service.id());
    }

    fn configure(&mut self, ns: Namespace, timeouts: &Timeouts, settings: &Settings) {
        let mut followed = self.lock();
        followed.told += 1;
        followed.fake.configure(ns, timeouts, settings);
    }

    fn set_sync_daemon(&mut self, ns: Namespace, state: SyncState, daemon: Option<&SyncDaemon>) {
        let mut followed = self.lock();
        followed.told += 1;
        let others =
            |(its, running): &(Namespace, SyncDaemon)| (*its, running.state()) != (ns, state);
        followed.sync_daemons.retain(others);
        let started = daemon.map(|daemon| (ns, daemon.clone()));
        followed.sync_daemons.extend(started);
    }

    fn zero(&mut self, ns: Namespace, service: &Service) {
        let mut followed = self.lock();
        followed.told += 1;
        followed.fake.zero(ns, service);
    }

    fn zero_destination(&mut self, id: DestinationId) {
        self.lock().fake.zero_destination(id);
    }

    fn estimate(&mut self, _: &mut dyn Iterator<Item = &Service>) {}

    fn forget_namespace(&mut self, ns: Namespace) {
        let mut followed = self.lock();
        assert_eq!(followed.services(ns).count(), 0, "all were withdrawn");
        followed.sync_daemons.retain(|(its, _)| *its != ns);
    }

    fn free_destination_id(&mut self, id: DestinationId) {
        self.lock().fake.destinations.remove(&id);
    }

    fn service_stats(&self, ns: Namespace, id: ServiceId) -> Stats {
        self.lock().fake.service_stats(ns, id)
    }

    fn destination_reading(&self, ns: Namespace, id: DestinationId) -> DestinationReading {
        self.lock().fake.destination_reading(ns, id)
    }
}
