//! Bringing a service's new state into force, in such an order that no connection sees half of it.
//!
//! What programs follow is prepared where none looks yet: new destinations' records, new slots, the
//! service's other selection. Adding one to the service's generation then brings all of it into
//! force at once. What the old state used may be used again from then on, because a program that
//! was still reading it notices the new generation and starts over (see `sockvs-ebpf-common`).

use aya::maps::MapError;
use sockvs_ebpf_common::{Segment, Selection, TERMS_PERSISTENT, Terms};

use super::{
    live::{LiveDestination, LiveService, set_slot},
    path::{MapPath, Published},
    records,
    room::Stretch,
    scheduler::{Plan, Server},
};
use crate::ipvs::{Cause, DataPathFull, Destination, DestinationId, Namespace, Service};

impl MapPath {
    /// Adds a service, which has no destinations yet.
    pub(super) fn add(&mut self, ns: Namespace, service: &Service) -> Result<(), DataPathFull> {
        let index = self.service_room.take()?;
        let result = self.add_at(index, ns, service);
        match result {
            Ok(published) => {
                self.services.insert(service.id(), published);
                Ok(())
            }
            Err(full) => {
                self.service_room.give_back(index);
                Err(full)
            }
        }
    }

    fn add_at(
        &mut self,
        index: u32,
        ns: Namespace,
        service: &Service,
    ) -> Result<Published, DataPathFull> {
        self.service_records.ensure(index)?;
        self.born += 1;
        let record = LiveService::at(&self.service_records, index).ok_or(DataPathFull::NoSpace)?;
        record.begin(records::stored_key(ns, service.key()), self.born);
        record.set_config(records::service_config(service));
        let mut published = Published {
            index,
            lookup: records::lookup_key(ns, service.key()),
            servers: Vec::new(),
            plan: Plan::default(),
            stretch: self.slot_room.take(0)?,
        };
        self.follow(
            &mut published,
            service,
            Plan::new(records::settings(service), &[]),
            Vec::new(),
        )?;
        let record = LiveService::at(&self.service_records, index).ok_or(DataPathFull::NoSpace)?;
        record.set_live();
        record.set_udp_timeout(self.common.udp_timeout(ns));
        if let Some(key) = published.lookup {
            if let Err(error) = self.addresses.insert(key, index) {
                record.set_free();
                self.slot_room.give_back(published.stretch);
                return Err(full(&error));
            }
            self.common.add(records::rare(&key));
        }
        Ok(published)
    }

    /// Brings a service's new state into force.
    pub(super) fn change(
        &mut self,
        published: &mut Published,
        service: &Service,
        cause: Cause,
    ) -> Result<(), DataPathFull> {
        let servers = self.servers_of(published.index, service)?;
        let plan = match cause {
            Cause::ServiceEdited { rebound: false }
                if published.plan.suits(records::settings(service)) =>
            {
                None
            }
            Cause::ServiceAdded | Cause::ServiceEdited { .. } => {
                for server in &servers {
                    if let Some(record) =
                        LiveDestination::at(&self.destination_records, server.index)
                    {
                        record.leave();
                    }
                }
                Some(Plan::new(records::settings(service), &servers))
            }
            Cause::DestinationAdded(_)
            | Cause::DestinationEdited(_)
            | Cause::DestinationDeleted(_) => {
                let cursor = LiveService::at(&self.service_records, published.index)
                    .map_or(0, LiveService::cursor);
                Some(
                    published
                        .plan
                        .after(cursor, cause, &published.servers, &servers),
                )
            }
        };
        if let Some(plan) = plan {
            let result = self.follow(published, service, plan, servers);
            if let (Err(_), Cause::DestinationAdded(id)) = (&result, cause)
                && let Some(index) = self.destinations.get(&id)
            {
                self.free_destination(*index);
            }
            result?;
        }
        match cause {
            Cause::ServiceAdded | Cause::ServiceEdited { .. } => {
                if let Some(record) = LiveService::at(&self.service_records, published.index) {
                    record.set_config(records::service_config(service));
                    let ns = Namespace(record.key().netns);
                    record.set_terms(self.terms(ns, service));
                }
            }
            Cause::DestinationEdited(id) => self.write_destination_config(service, id),
            Cause::DestinationDeleted(id) => {
                if let Some(index) = self.destinations.get(&id) {
                    self.free_destination(*index);
                    if let Some(record) = LiveService::at(&self.service_records, published.index) {
                        self.end_orphans(Namespace(record.key().netns), [*index]);
                    }
                }
            }
            Cause::DestinationAdded(_) => {}
        }
        Ok(())
    }

    /// The service's destinations, with records for those that have none.
    pub(super) fn servers_of(
        &mut self,
        owner: u32,
        service: &Service,
    ) -> Result<Vec<Server>, DataPathFull> {
        service
            .destinations()
            .map(|destination| {
                let index = self.record_of(owner, destination)?;
                Ok(records::server(destination, index))
            })
            .collect()
    }

    fn record_of(&mut self, owner: u32, destination: &Destination) -> Result<u32, DataPathFull> {
        let (index, known) = match self.destinations.get(&destination.id()) {
            Some(index) => (*index, true),
            None => {
                self.reclaim();
                (self.destination_room.take()?, false)
            }
        };
        if let Err(full) = self.destination_records.ensure(index) {
            self.destination_room.give_back(index);
            return Err(full);
        }
        let record =
            LiveDestination::at(&self.destination_records, index).ok_or(DataPathFull::NoSpace)?;
        if known && record.is_live() {
            return Ok(index);
        }
        self.born += 1;
        record.begin(destination.key(), owner, self.born, known);
        record.set_config(records::destination_config(destination));
        record.set_zero_point(destination.zero_point());
        record.set_thresholds(
            destination.upper_threshold(),
            destination.recovery_threshold(),
        );
        record.set_live();
        self.destinations.insert(destination.id(), index);
        Ok(index)
    }

    /// Lingering records whose last connection has ended may be used again.
    fn reclaim(&mut self) {
        let lingering = std::mem::take(&mut self.lingering);
        for index in lingering {
            let record = LiveDestination::at(&self.destination_records, index);
            if record.is_some_and(LiveDestination::is_lingering) {
                self.lingering.push(index);
            } else {
                self.destination_room.give_back(index);
            }
        }
    }

    /// Makes new connections go through `plan`.
    pub(super) fn follow(
        &mut self,
        published: &mut Published,
        service: &Service,
        plan: Plan,
        servers: Vec<Server>,
    ) -> Result<(), DataPathFull> {
        let (stretch, selection) = self.lay_out(&plan)?;
        let record =
            LiveService::at(&self.service_records, published.index).ok_or(DataPathFull::NoSpace)?;
        let selection = Selection {
            cursor: plan.start,
            ..selection
        };
        let terms = self.terms(Namespace(record.key().netns), service);
        record.bring_into_force(selection, terms);
        self.slot_room
            .give_back(std::mem::replace(&mut published.stretch, stretch));
        tracing::trace!(service = %service.key(), period = plan.sequence.period, "published");
        published.plan = plan;
        published.servers = servers;
        Ok(())
    }

    /// On what terms a service's connections get servers.
    pub(super) fn terms(&self, ns: Namespace, service: &Service) -> Terms {
        let terms = records::terms(service, self.common.expire_quiescent(ns));
        if terms.flags & TERMS_PERSISTENT != 0 {
            self.held.expect_some();
        }
        terms
    }

    /// Writes a sequence into slots that nobody uses.
    fn lay_out(&mut self, plan: &Plan) -> Result<(Stretch, Selection), DataPathFull> {
        let sequence = &plan.sequence;
        let segments = sequence.runs.len();
        let table = if segments > 1 {
            segments * Segment::WORDS as usize
        } else {
            0
        };
        let turns: usize = sequence.runs.iter().map(|run| run.servers.len()).sum();
        let stretch = self.slot_room.take(table + turns)?;
        if let Some(last) = stretch.end().checked_sub(1)
            && let Err(full) = self.slots.ensure(last)
        {
            self.slot_room.give_back(stretch);
            return Err(full);
        }
        let table = u32::try_from(table).map_err(|_| DataPathFull::NoSpace)?;
        let mut selection = Selection {
            cursor: 0,
            period: sequence.period,
            segments_at: stretch.at,
            slots: stretch.len(),
            kind: plan.kind as u32,
            options: plan.options,
            zero: 0,
            segments: u32::try_from(segments).map_err(|_| DataPathFull::NoSpace)?,
            first_at: stretch.at + table,
            first_len: 0,
        };
        let mut next = selection.first_at;
        for (run, at) in sequence
            .runs
            .iter()
            .zip((stretch.at..).step_by(Segment::WORDS as usize))
        {
            let len = u32::try_from(run.servers.len()).map_err(|_| DataPathFull::NoSpace)?;
            if at == stretch.at {
                selection.first_len = len;
            }
            if table > 0 {
                let [first, place] = Segment {
                    first: run.first,
                    at: next,
                    len,
                }
                .to_words();
                set_slot(&self.slots, at, first);
                set_slot(&self.slots, at + 1, place);
            }
            for server in &run.servers {
                set_slot(&self.slots, next, server.slot());
                next += 1;
            }
        }
        Ok((stretch, selection))
    }

    pub(super) fn destination(&self, id: DestinationId) -> Option<LiveDestination<'_>> {
        LiveDestination::at(&self.destination_records, *self.destinations.get(&id)?)
    }

    fn write_destination_config(&self, service: &Service, id: DestinationId) {
        let destination = service
            .destinations()
            .find(|destination| destination.id() == id);
        if let (Some(destination), Some(record)) = (destination, self.destination(id)) {
            record.set_config(records::destination_config(destination));
            record.set_thresholds(
                destination.upper_threshold(),
                destination.recovery_threshold(),
            );
        }
    }

    pub(super) fn free_destination(&self, index: u32) {
        if let Some(record) = LiveDestination::at(&self.destination_records, index) {
            record.set_free();
        }
    }
}

fn full(error: &MapError) -> DataPathFull {
    match error {
        MapError::SyscallError(error) if error.io_error.raw_os_error() == Some(libc::E2BIG) => {
            DataPathFull::NoSpace
        }
        _ => DataPathFull::NoMemory,
    }
}
