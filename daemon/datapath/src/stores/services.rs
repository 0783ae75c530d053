//! The services: their records in the map `SERVICE_RECORDS`, their ids, their rates, and the state
//! of their schedulers.

use sockvs_ebpf_common::Service as ServiceRecord;
use sockvs_ipvs::{DataPathFull, Owner, ServiceId, Stats, Usage};

use crate::{
    rates::Rates, records::chunks::Chunks, records::live::LiveService, scheduler::SchedState,
    stores::ids::IdAllocator, stores::shares::Limit,
};

/// All services.
pub(crate) struct ServiceStore {
    records: Chunks<ServiceRecord>,
    ids: IdAllocator,
    rates: Rates<ServiceId>,
    /// By id.
    sched_states: Vec<SchedState>,
}

impl ServiceStore {
    /// A store with nothing in use.
    pub(crate) fn new(records: Chunks<ServiceRecord>, limit: Limit) -> Self {
        Self {
            records,
            ids: IdAllocator::new(limit),
            rates: Rates::default(),
            sched_states: Vec::new(),
        }
    }

    /// Marks exactly those ids as in use whose records are live.
    pub(crate) fn restore(&mut self) {
        let is_live = |index| self.get(ServiceId(index)).is_some_and(LiveService::is_live);
        self.ids = IdAllocator::with_used(self.ids.limit(), self.records.len(), is_live);
    }

    /// Allocates an id for this owner. Its record may have no memory yet.
    pub(crate) fn alloc(&mut self, owner: Owner) -> Result<ServiceId, DataPathFull> {
        self.ids.alloc(owner).map(ServiceId)
    }

    /// Creates memory for the record of this id, if it is missing.
    pub(crate) fn ensure(&mut self, id: ServiceId) -> Result<(), DataPathFull> {
        self.records.ensure(id.0)
    }

    /// Frees the id.
    pub(crate) fn free(&mut self, id: ServiceId) {
        self.ids.free(id.0);
        self.rates.forget(&id);
    }

    /// The owner of the id.
    pub(crate) fn owner(&self, id: ServiceId) -> Owner {
        self.ids.owner(id.0)
    }

    /// Sets the owner of an id in use.
    pub(crate) fn set_owner(&mut self, id: ServiceId, owner: Owner) {
        self.ids.set_owner(id.0, owner);
    }

    /// The record of this id, if there is memory for it.
    pub(crate) fn get(&self, id: ServiceId) -> Option<LiveService<'_>> {
        LiveService::at(&self.records, id.0)
    }

    /// The existing services, in the order of their ids.
    pub(crate) fn live(&self) -> impl Iterator<Item = (ServiceId, LiveService<'_>)> {
        let ids = (0..self.records.len()).map(ServiceId);
        let records = ids.filter_map(|id| Some((id, self.get(id)?)));
        records.filter(|(_, record)| record.is_live())
    }

    /// The state of the service's scheduler.
    pub(crate) fn sched_state(&self, id: ServiceId) -> SchedState {
        let state = self.sched_states.get(id.0 as usize);
        state.copied().unwrap_or_default()
    }

    /// Sets the state of the service's scheduler.
    pub(crate) fn set_sched_state(&mut self, id: ServiceId, state: SchedState) {
        let at = id.0 as usize;
        if at >= self.sched_states.len() {
            self.sched_states.resize(at + 1, SchedState::default());
        }
        if let Some(place) = self.sched_states.get_mut(at) {
            *place = state;
        }
    }

    /// The counters and rates of a service.
    pub(crate) fn stats(&self, id: ServiceId) -> Stats {
        let stats = self.get(id).map(LiveService::stats);
        stats.map_or_else(Stats::default, |stats| self.rates.with_rates(&id, stats))
    }

    /// Updates the rates with the services' counters.
    pub(crate) fn estimate(&mut self, counted: impl Iterator<Item = (ServiceId, Stats)>) {
        self.rates.estimate(counted);
    }

    /// Zeroes the counters and rates.
    pub(crate) fn zero(&mut self, id: ServiceId) {
        if let Some(record) = self.get(id) {
            record.zero();
            self.rates.zero(&id);
        }
    }

    /// How much is in use, for the status.
    pub(crate) fn usage(&self) -> Usage {
        self.ids.usage()
    }
}
