//! Bringing a service's new state into force, in such an order that no connection sees half of it.
//!
//! What programs follow is prepared where none looks yet: new destinations' records, new slots, the
//! service's other selection. Adding one to the service's generation then brings all of it into
//! force at once. What the old state used may be used again from then on, because a program that
//! was still reading it notices the new generation and starts over (see `sockvs-ebpf-common`).

use aya::maps::MapError;
use sockvs_ebpf_common::{SCHED_PERSISTENT, SchedParams, Selection};

use super::{
    live::{LiveDestination, LiveService},
    path::MapPath,
    records,
    scheduler::{Memory, Plan, Server},
    sequences::{sequence, stretch},
};
use sockvs_ipvs::{Cause, DataPathFull, DestinationId, Namespace, Service, ServiceId};

impl MapPath {
    /// Adds a service, which has no destinations yet. If there is no room for it, its index is
    /// nobody's.
    pub(super) fn add(&mut self, ns: Namespace, service: &Service) -> Result<(), DataPathFull> {
        let added = self.add_named(ns, service);
        if added.is_err() {
            self.service_room.give_back(service.id().0);
        }
        added
    }

    fn add_named(&mut self, ns: Namespace, service: &Service) -> Result<(), DataPathFull> {
        let id = service.id();
        self.service_records.ensure(id.0)?;
        self.born += 1;
        let born = self.born;
        let record = self.service(id).ok_or(DataPathFull::NoSpace)?;
        record.begin(
            records::stored_key(ns, service.key()),
            service.key().protocol(),
            born,
        );
        record.set_config(records::service_config(service));
        // What an earlier use of the record left there is nobody's.
        record.bring_into_force(Selection::default(), SchedParams::default());
        self.follow(ns, service, Plan::new(records::settings(service), &[]))?;
        let record = self.service(id).ok_or(DataPathFull::NoSpace)?;
        record.set_live();
        record.set_udp_timeout(self.common.udp_timeout(ns));
        if let Some(key) = records::lookup_key(ns, service.key()) {
            if let Err(error) = self.addresses.insert(key, id.0) {
                if let Some(record) = self.service(id) {
                    record.set_free();
                }
                return Err(full(&error));
            }
            self.common.add(records::rare(&key));
        }
        Ok(())
    }

    /// Brings a service's new state into force.
    pub(super) fn change(
        &mut self,
        ns: Namespace,
        service: &Service,
        cause: Cause,
    ) -> Result<(), DataPathFull> {
        if let Cause::DestinationAdded(id) = cause {
            self.begin_destination(service, id);
        }
        if let Some(plan) = self.next_plan(service, cause)?
            && let Err(full) = self.follow(ns, service, plan)
        {
            if let Cause::DestinationAdded(id) = cause {
                self.free_destination(id);
            }
            return Err(full);
        }
        match cause {
            Cause::ServiceAdded | Cause::ServiceEdited { .. } => {
                let terms = self.terms(ns, service);
                self.edit_service(service.id(), records::service_config(service));
                if let Some(record) = self.service(service.id()) {
                    record.set_terms(terms);
                }
            }
            Cause::DestinationEdited(id) => {
                if let Some(destination) = service.destination_of(id) {
                    self.edit_destination(id, records::destination_config(destination));
                }
            }
            Cause::DestinationDeleted { id, .. } => {
                self.free_destination(id);
                self.end_orphans(ns, [id.0]);
            }
            Cause::DestinationAdded(_) => {}
        }
        Ok(())
    }

    /// What new connections go through after a change; none if that stays as it is.
    fn next_plan(&self, service: &Service, cause: Cause) -> Result<Option<Plan>, DataPathFull> {
        let settings = records::settings(service);
        let servers: Vec<Server> = service.destinations().map(records::server).collect();
        let memory = self.memory(service.id());
        let record = self.service(service.id()).ok_or(DataPathFull::NoSpace)?;
        let in_force = record.selection();
        let plan = match cause {
            Cause::ServiceEdited { rebound: false } if memory.suits(in_force.options, settings) => {
                return Ok(None);
            }
            Cause::ServiceAdded | Cause::ServiceEdited { .. } => {
                for server in &servers {
                    if let Some(record) = self.destination(server.id) {
                        record.leave();
                    }
                }
                Plan::new(settings, &servers)
            }
            Cause::DestinationAdded(_)
            | Cause::DestinationEdited(_)
            | Cause::DestinationDeleted { .. } => memory.after(
                settings,
                (in_force.cursor, in_force.period),
                || sequence(&self.slots, &in_force).unwrap_or_default(),
                cause,
                &servers,
            ),
        };
        Ok(Some(plan))
    }

    /// Fills the record of a destination that is new in its service.
    fn begin_destination(&mut self, service: &Service, id: DestinationId) {
        self.born += 1;
        let (Some(destination), Some(record)) = (service.destination_of(id), self.destination(id))
        else {
            return;
        };
        record.begin(destination.key(), service.id().0, self.born);
        record.set_config(records::destination_config(destination));
        record.set_live();
    }

    /// Lingering records whose last connection has ended may be used again.
    pub(super) fn reclaim(&mut self) {
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
        ns: Namespace,
        service: &Service,
        plan: Plan,
    ) -> Result<(), DataPathFull> {
        let owner = self.service_room.owner(service.id().0);
        let selection = self.lay_out(&plan, owner)?;
        let terms = self.terms(ns, service);
        let record = self.service(service.id()).ok_or(DataPathFull::NoSpace)?;
        let old = stretch(&record.selection());
        record.bring_into_force(selection, terms);
        self.slot_room.give_back(old, owner);
        tracing::trace!(service = %service.key(), period = selection.period, "published");
        self.remember(service.id(), plan.memory);
        Ok(())
    }

    fn memory(&self, id: ServiceId) -> Memory {
        self.memories
            .get(id.0 as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Keeps what a service's scheduler remembers.
    pub(super) fn remember(&mut self, id: ServiceId, memory: Memory) {
        let at = id.0 as usize;
        if at >= self.memories.len() {
            self.memories.resize(at + 1, Memory::default());
        }
        if let Some(place) = self.memories.get_mut(at) {
            *place = memory;
        }
    }

    /// On what terms a service's connections get servers.
    pub(super) fn terms(&self, ns: Namespace, service: &Service) -> SchedParams {
        let terms = records::terms(service, self.common.expire_quiescent(ns));
        if terms.flags & SCHED_PERSISTENT != 0 {
            self.held.expect_some();
        }
        terms
    }

    /// The service's record.
    pub(super) fn service(&self, id: ServiceId) -> Option<LiveService<'_>> {
        LiveService::at(&self.service_records, id.0)
    }

    /// The destination's record.
    pub(super) fn destination(&self, id: DestinationId) -> Option<LiveDestination<'_>> {
        LiveDestination::at(&self.destination_records, id.0)
    }

    /// The destination is not in the table any more.
    pub(super) fn free_destination(&self, id: DestinationId) {
        if let Some(record) = self.destination(id) {
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
