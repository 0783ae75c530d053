//! The destinations: their records in the map `DESTINATION_RECORDS`, their ids and their rates.
//!
//! A record outlives its destination as long as connections are counted in it.

use sockvs_ebpf_common::Destination as DestinationRecord;
use sockvs_ipvs::{DataPathFull, DestinationId, DestinationReading, Owner, Stats, Usage};

use crate::{
    rates::Rates, records::chunks::Chunks, records::live::LiveDestination,
    stores::ids::IdAllocator, stores::shares::Limit,
};

/// All destinations.
pub(crate) struct DestinationStore {
    records: Chunks<DestinationRecord>,
    ids: IdAllocator,
    rates: Rates<DestinationId>,
    /// Those that an earlier daemon deleted while connections were counted in them.
    deleted_in_use: Vec<u32>,
}

impl DestinationStore {
    /// A store with nothing in use.
    pub(crate) fn new(records: Chunks<DestinationRecord>, limit: Limit) -> Self {
        Self {
            records,
            ids: IdAllocator::new(limit),
            rates: Rates::default(),
            deleted_in_use: Vec::new(),
        }
    }

    /// Marks exactly those ids as in use whose records are live or have connections.
    pub(crate) fn restore(&mut self) {
        let record = |index| self.get(DestinationId(index));
        let in_use = |index: &u32| record(*index).is_some_and(LiveDestination::is_deleted_in_use);
        let deleted_in_use = (0..self.records.len()).filter(in_use).collect();
        let ids = IdAllocator::with_used(self.ids.limit(), self.records.len(), |index| {
            record(index).is_some_and(|record| record.is_live() || record.is_deleted_in_use())
        });
        self.deleted_in_use = deleted_in_use;
        self.ids = ids;
    }

    /// Allocates an id for this owner, with memory for its record, whose counters are zero.
    pub(crate) fn alloc(&mut self, owner: Owner) -> Result<DestinationId, DataPathFull> {
        self.reclaim();
        let index = self.ids.alloc(owner)?;
        if let Err(full) = self.records.ensure(index) {
            self.ids.free(index);
            return Err(full);
        }
        let id = DestinationId(index);
        if let Some(record) = self.get(id) {
            record.use_anew();
        }
        self.reset(id);
        Ok(id)
    }

    /// Zeroes the counters and rates, and ends the assignment of `lblcr`.
    pub(crate) fn reset(&mut self, id: DestinationId) {
        self.zero(id);
        if let Some(record) = self.get(id) {
            record.leave();
        }
    }

    /// Frees the id.
    pub(crate) fn free(&mut self, id: DestinationId) {
        self.rates.forget(&id);
        self.ids.free(id.0);
    }

    /// Marks the destination as deleted. Its id stays in use.
    pub(crate) fn delete(&self, id: DestinationId) {
        if let Some(record) = self.get(id) {
            record.set_free();
        }
    }

    /// Frees the ids of deleted destinations whose last connection has ended.
    fn reclaim(&mut self) {
        for index in std::mem::take(&mut self.deleted_in_use) {
            let record = self.get(DestinationId(index));
            if record.is_some_and(LiveDestination::is_deleted_in_use) {
                self.deleted_in_use.push(index);
            } else {
                self.ids.free(index);
            }
        }
    }

    /// Sets the owner of an id in use.
    pub(crate) fn set_owner(&mut self, id: DestinationId, owner: Owner) {
        self.ids.set_owner(id.0, owner);
    }

    /// The record of this id, if there is memory for it.
    pub(crate) fn get(&self, id: DestinationId) -> Option<LiveDestination<'_>> {
        LiveDestination::at(&self.records, id.0)
    }

    /// The ids that have memory.
    pub(crate) fn ids(&self) -> impl Iterator<Item = DestinationId> + use<> {
        (0..self.records.len()).map(DestinationId)
    }

    /// The existing destinations, in the order of their ids.
    pub(crate) fn live(&self) -> impl Iterator<Item = (DestinationId, LiveDestination<'_>)> {
        let records = self.ids().filter_map(|id| Some((id, self.get(id)?)));
        records.filter(|(_, record)| record.is_live())
    }

    /// The connection numbers, counters and rates of a destination, without clients of persistent
    /// services.
    pub(crate) fn reading(&self, id: DestinationId) -> DestinationReading {
        let Some(record) = self.get(id) else {
            return DestinationReading::default();
        };
        let reading = record.reading();
        DestinationReading {
            stats: self.rates.with_rates(&id, reading.stats),
            ..reading
        }
    }

    /// Updates the rates with the destinations' counters.
    pub(crate) fn estimate(&mut self, counted: impl Iterator<Item = (DestinationId, Stats)>) {
        self.rates.estimate(counted);
    }

    /// Zeroes the counters and rates.
    pub(crate) fn zero(&mut self, id: DestinationId) {
        if let Some(record) = self.get(id) {
            record.zero();
        }
        self.rates.zero(&id);
    }

    /// How much is in use, for the status.
    pub(crate) fn usage(&self) -> Usage {
        self.ids.usage()
    }
}
