//! Brings a service's new state into force in an order in which no connection sees a part of it.
//!
//! The new state is written where no program reads: new destinations' records, new slots, the
//! service's other selection. Raising the service's generation then brings all of it into force at
//! once. The memory of the old state can be reused from then on, because a program that was still
//! reading it notices the new generation and starts over (see `sockvs-ebpf-common`).

use aya::maps::MapError;
use sockvs_ebpf_common::{SCHED_PERSISTENT, SchedParams, Selection};
use sockvs_ipvs::{Cause, DataPathFull, DestinationId, Namespace, Owner, Service};

use crate::Datapath;
use crate::connections::expire_nodest;
use crate::records;
use crate::scheduler::{Plan, Server};

impl Datapath {
    /// Adds a service, which has no destinations yet. If there is no space, its index is freed.
    pub(crate) fn add(&mut self, ns: Namespace, service: &Service) -> Result<(), DataPathFull> {
        let added = self.add_named(ns, service);
        if added.is_err() {
            self.services.free(service.id());
        }
        added
    }

    fn add_named(&mut self, ns: Namespace, service: &Service) -> Result<(), DataPathFull> {
        let id = service.id();
        self.services.ensure(id)?;
        self.born += 1;
        let born = self.born;
        let record = self.services.get(id).ok_or(DataPathFull::NoSpace)?;
        record.begin(
            records::stored_key(ns, service.key()),
            service.key().protocol(),
            born,
        );
        record.set_config(records::service_config(service));
        // Clears what an earlier use of the record left.
        record.bring_into_force(Selection::default(), SchedParams::default());
        self.follow(ns, service, Plan::new(records::settings(service), &[]))?;
        let record = self.services.get(id).ok_or(DataPathFull::NoSpace)?;
        record.set_live();
        record.set_udp_timeout(self.common.udp_timeout(ns));
        if let Some(key) = records::lookup_key(ns, service.key()) {
            if let Err(error) = self.addresses.insert(key, id.0) {
                if let Some(record) = self.services.get(id) {
                    record.set_free();
                }
                return Err(full(&error));
            }
            self.common.add(records::rare(&key));
        }
        Ok(())
    }

    /// Brings a service's new state into force.
    pub(crate) fn change(
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
                self.destinations.delete(id);
            }
            return Err(full);
        }
        match cause {
            Cause::ServiceAdded | Cause::ServiceEdited { .. } => {
                let terms = self.terms(ns, service);
                self.edits.edit_service(
                    &self.services,
                    service.id(),
                    records::service_config(service),
                );
                if let Some(record) = self.services.get(service.id()) {
                    record.set_terms(terms);
                }
            }
            Cause::DestinationEdited(id) => {
                if let Some(destination) = service.destination_of(id) {
                    let config = records::destination_config(destination);
                    self.edits.edit_destination(&self.destinations, id, config);
                }
            }
            Cause::DestinationDeleted { id, .. } => {
                self.destinations.delete(id);
                self.expire_nodest(ns, [id]);
            }
            Cause::DestinationAdded(_) => {}
        }
        Ok(())
    }

    /// The new schedule after a change; `None` if it is unchanged.
    fn next_plan(&self, service: &Service, cause: Cause) -> Result<Option<Plan>, DataPathFull> {
        let settings = records::settings(service);
        let servers: Vec<Server> = service.destinations().map(records::server).collect();
        let state = self.services.sched_state(service.id());
        let record = self
            .services
            .get(service.id())
            .ok_or(DataPathFull::NoSpace)?;
        let in_force = record.selection();
        let plan = match cause {
            Cause::ServiceEdited { rebound: false } if state.suits(in_force.options, settings) => {
                return Ok(None);
            }
            Cause::ServiceAdded | Cause::ServiceEdited { .. } => {
                for server in &servers {
                    if let Some(record) = self.destinations.get(server.id) {
                        record.leave();
                    }
                }
                Plan::new(settings, &servers)
            }
            Cause::DestinationAdded(_)
            | Cause::DestinationEdited(_)
            | Cause::DestinationDeleted { .. } => state.after(
                settings,
                (in_force.cursor, in_force.period),
                || self.schedules.read(&in_force).unwrap_or_default(),
                cause,
                &servers,
            ),
        };
        Ok(Some(plan))
    }

    /// Initialises the record of a new destination of the service.
    fn begin_destination(&mut self, service: &Service, id: DestinationId) {
        self.born += 1;
        let (Some(destination), Some(record)) =
            (service.destination_of(id), self.destinations.get(id))
        else {
            return;
        };
        record.begin(destination.key(), service.id().0, self.born);
        record.set_config(records::destination_config(destination));
        record.set_live();
    }

    /// Makes new connections use `plan`.
    pub(crate) fn follow(
        &mut self,
        ns: Namespace,
        service: &Service,
        plan: Plan,
    ) -> Result<(), DataPathFull> {
        let owner = self.services.owner(service.id());
        let selection = self.schedules.write(&plan, owner)?;
        let terms = self.terms(ns, service);
        let record = self
            .services
            .get(service.id())
            .ok_or(DataPathFull::NoSpace)?;
        let old = record.selection();
        record.bring_into_force(selection, terms);
        self.schedules.free(&old, owner);
        tracing::trace!(service = %service.key(), period = selection.period, "published");
        self.services
            .set_sched_state(service.id(), plan.sched_state);
        Ok(())
    }

    /// The scheduling parameters of a service.
    pub(crate) fn terms(&self, ns: Namespace, service: &Service) -> SchedParams {
        let terms = records::terms(service, self.common.expire_quiescent(ns));
        if terms.flags & SCHED_PERSISTENT != 0 {
            self.held.expect_some();
        }
        terms
    }

    /// Ends the connections to those of these destinations that were deleted, if the namespace's
    /// sysctl says so.
    pub(crate) fn expire_nodest(
        &self,
        ns: Namespace,
        which: impl IntoIterator<Item = DestinationId>,
    ) {
        if self.common.expire_nodest(ns) {
            expire_nodest::expire_nodest(&self.open, &self.services, &self.destinations, ns, which);
        }
    }

    /// Transfers the namespace's use of the maps to the owner `to`.
    pub(crate) fn pass_on(&mut self, ns: Namespace, from: Owner, to: Owner) {
        let of_namespace = self.services.live();
        let of_namespace = of_namespace.filter(|(_, record)| record.key().netns == ns.0);
        let services: Vec<_> = of_namespace
            .map(|(id, record)| (id.0, id, record.selection()))
            .collect();
        if services.is_empty() {
            return;
        }
        for (_, id, selection) in &services {
            self.services.set_owner(*id, to);
            self.schedules.set_owner(selection, from, to);
        }
        let is_of_namespace = |service: u32| {
            services
                .binary_search_by_key(&service, |(index, ..)| *index)
                .is_ok()
        };
        let destinations = self.destinations.live();
        let destinations =
            destinations.filter(|(_, record)| is_of_namespace(record.read().service));
        let destinations: Vec<_> = destinations.map(|(id, _)| id).collect();
        for id in destinations {
            self.destinations.set_owner(id, to);
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
