//! The services: their records in the map `SERVICE_RECORDS`, their ids, their rates, and what their
//! schedulers remember.

use sockvs_ebpf_common::Service as ServiceRecord;
use sockvs_ipvs::{DataPathFull, Owner, ServiceId, Stats, Usage};

use crate::{
    chunks::Chunks, ids::IdAllocator, live::LiveService, rates::Rates, scheduler::SchedState,
    shares::Limit,
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
    /// No id is in use.
    pub(crate) fn new(records: Chunks<ServiceRecord>, limit: Limit) -> Self {
        Self {
            records,
            ids: IdAllocator::new(limit),
            rates: Rates::default(),
            sched_states: Vec::new(),
        }
    }

    /// The ids are in use whose records are live, and no others.
    pub(crate) fn restore(&mut self) {
        let is_live = |index| self.get(ServiceId(index)).is_some_and(LiveService::is_live);
        self.ids = IdAllocator::with_used(self.ids.limit(), self.records.len(), is_live);
    }

    /// An id that is not in use, for this owner. There may be no memory for its record yet.
    pub(crate) fn alloc(&mut self, owner: Owner) -> Result<ServiceId, DataPathFull> {
        self.ids.alloc(owner).map(ServiceId)
    }

    /// Makes sure that there is memory for the record of this id.
    pub(crate) fn ensure(&mut self, id: ServiceId) -> Result<(), DataPathFull> {
        self.records.ensure(id.0)
    }

    /// The id may be used again.
    pub(crate) fn free(&mut self, id: ServiceId) {
        self.ids.free(id.0);
        self.rates.forget(&id);
    }

    /// Whose the id is.
    pub(crate) fn owner(&self, id: ServiceId) -> Owner {
        self.ids.owner(id.0)
    }

    /// The id, which is in use, belongs to this owner.
    pub(crate) fn set_owner(&mut self, id: ServiceId, owner: Owner) {
        self.ids.set_owner(id.0, owner);
    }

    /// The record of this id, if there is memory for it.
    pub(crate) fn get(&self, id: ServiceId) -> Option<LiveService<'_>> {
        LiveService::at(&self.records, id.0)
    }

    /// The services that there are, in the order of their ids.
    pub(crate) fn live(&self) -> impl Iterator<Item = (ServiceId, LiveService<'_>)> {
        let ids = (0..self.records.len()).map(ServiceId);
        let records = ids.filter_map(|id| Some((id, self.get(id)?)));
        records.filter(|(_, record)| record.is_live())
    }

    /// What the service's scheduler remembers.
    pub(crate) fn sched_state(&self, id: ServiceId) -> SchedState {
        let state = self.sched_states.get(id.0 as usize);
        state.copied().unwrap_or_default()
    }

    /// Keeps what the service's scheduler remembers.
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

    /// Takes what the services have counted by now into their rates.
    pub(crate) fn estimate(&mut self, counted: impl Iterator<Item = (ServiceId, Stats)>) {
        self.rates.estimate(counted);
    }

    /// The counters and rates fall to zero.
    pub(crate) fn zero(&mut self, id: ServiceId) {
        if let Some(record) = self.get(id) {
            record.zero();
            self.rates.zero(&id);
        }
    }

    /// What is in use, for people.
    pub(crate) fn usage(&self) -> Usage {
        self.ids.usage()
    }
}
