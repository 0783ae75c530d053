//! Restores the table from the maps of an earlier daemon.
//!
//! The records contain the clients' configuration. Each service and destination is added to the
//! table again by the same rules, oldest first, but with the existing records. Connections are not
//! affected: a selection in force is kept, unless the earlier daemon ended before it had completed
//! a change.

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, Ipv6Addr},
};

use aya::maps::MapError;
use sockvs_ebpf_common::{Globals, SchedParams, Selection};
use sockvs_ipvs::{
    Cause, DataPath, DataPathFull, DestinationId, DestinationReading, Host, Ipvs, Namespace, Owner,
    RouteType, Service, ServiceId, ServiceKey, Settings, Stats, SyncDaemon, SyncState, Table,
    Timeouts,
};

use crate::Datapath;
use crate::Error;
use crate::records;
use crate::scheduler::{Plan, Server};

/// Adds the contents of the maps to the tables, and returns the number of services.
///
/// # Errors
///
/// When a map cannot be read or repaired.
pub fn restore(datapath: &mut Datapath, ipvs: &mut Ipvs) -> Result<usize, Error> {
    Restore { datapath }.all(ipvs)
}

struct Restore<'d> {
    datapath: &'d mut Datapath,
}

impl Restore<'_> {
    fn all(&mut self, ipvs: &mut Ipvs) -> Result<usize, Error> {
        let failed = |name| move |error| Error::Map { name, error };
        let datapath = &mut *self.datapath;
        datapath
            .common
            .restore(ipvs)
            .map_err(failed("NAMESPACES"))?;
        self.restore_sync_daemons(ipvs)?;
        let datapath = &mut *self.datapath;
        datapath
            .edits
            .finish(&datapath.services, &datapath.destinations)
            .map_err(failed("EDIT"))?;
        let mut services: Vec<_> = datapath
            .services
            .live()
            .map(|(id, record)| (record.born(), id))
            .collect();
        services.sort_unstable_by_key(|(born, _)| *born);
        let in_force = datapath.services.live();
        let in_force = in_force.map(|(_, record)| record.selection());
        datapath.schedules.restore(in_force);

        let mut destinations = self.destinations_by_service(&services);
        let mut restored = 0;
        for (_, id) in &services {
            let servers = destinations.remove(id).unwrap_or_default();
            match self.restore_service(ipvs, *id, &servers) {
                Ok(()) => restored += 1,
                Err(why) => {
                    tracing::error!(record = id.0, why, "a service of an earlier daemon is lost");
                    self.drop_service(*id, &servers);
                }
            }
        }
        self.datapath.services.restore();
        self.datapath.destinations.restore();
        for ns in ipvs.namespaces() {
            self.datapath.owners.restored(ns);
        }
        self.mend_addresses().map_err(failed("SERVICES"))?;
        Ok(restored)
    }

    fn restore_sync_daemons(&mut self, ipvs: &mut Ipvs) -> Result<(), Error> {
        let kept = self
            .datapath
            .sync_daemons
            .kept()
            .map_err(|error| Error::Map {
                name: "SYNC_DAEMONS",
                error,
            })?;
        for (ns, spec) in kept {
            let started = spec
                .ok_or_else(|| "it makes no sense".to_owned())
                .and_then(|spec| {
                    let mut adopting = Adopting {
                        service: ServiceId(0),
                        destination: DestinationId(0),
                    };
                    let table = ipvs.table_mut(ns);
                    table
                        .start_sync_daemon(spec, &Checked, &mut adopting)
                        .map_err(|error| error.to_string())
                });
            if let Err(why) = started {
                tracing::error!(
                    namespace = ns.0,
                    why,
                    "a sync daemon of an earlier daemon is lost"
                );
            }
        }
        Ok(())
    }

    /// The ids of each service's destinations, oldest first. Those without a service were left by a
    /// daemon that ended while it deleted the service.
    fn destinations_by_service(
        &mut self,
        services: &[(u64, ServiceId)],
    ) -> HashMap<ServiceId, Vec<DestinationId>> {
        let services: HashSet<_> = services.iter().map(|(_, id)| id.0).collect();
        let mut found: Vec<_> = Vec::new();
        for (id, record) in self.datapath.destinations.live() {
            let destination = record.read();
            if services.contains(&destination.service) {
                found.push((destination.born, destination.service, id.0));
            } else {
                record.set_free();
            }
        }
        let last = found.iter().map(|(born, ..)| *born).max();
        self.datapath.born = last.unwrap_or(self.datapath.born);
        found.sort_unstable();
        let mut by_service: HashMap<_, Vec<_>> = HashMap::new();
        for (_, service, id) in found {
            let of_service = by_service.entry(ServiceId(service)).or_default();
            of_service.push(DestinationId(id));
        }
        by_service
    }

    fn restore_service(
        &mut self,
        ipvs: &mut Ipvs,
        id: ServiceId,
        servers: &[DestinationId],
    ) -> Result<(), String> {
        let record = self
            .datapath
            .services
            .get(id)
            .ok_or("there is no such record")?;
        let (key, born) = (record.key(), record.born());
        let spec = records::service_spec(record).ok_or("it makes no sense")?;
        self.datapath.born = self.datapath.born.max(born);
        let ns = Namespace(key.netns);
        let table = ipvs.table_mut(ns);
        let service_key = spec.key;
        let mut adopting = Adopting {
            service: id,
            destination: DestinationId(0),
        };
        table
            .add_service(spec, &mut adopting)
            .map_err(|error| error.to_string())?;
        for server in servers {
            adopting.destination = *server;
            if let Err(why) = self.restore_destination(table, &service_key, &mut adopting) {
                tracing::error!(
                    service = %service_key,
                    record = server.0,
                    why,
                    "a server of an earlier daemon is lost"
                );
                self.datapath.destinations.delete(*server);
            }
        }
        let service = table.service(&service_key).ok_or("it was not added")?;
        for destination in service.destinations() {
            // A daemon may have ended before it had written them, or have counted in other records.
            if let Some(record) = self.datapath.destinations.get(destination.id()) {
                record.set_thresholds(destination.upper_threshold(), destination.lower_threshold());
            }
        }
        self.resume(ns, service);
        Ok(())
    }

    /// Keeps the selection in force, or replaces it if it does not match the records.
    fn resume(&mut self, ns: Namespace, service: &Service) {
        let servers: Vec<Server> = service.destinations().map(records::server).collect();
        let settings = records::settings(service);
        let plan = Plan::resumed(settings, &servers);
        let datapath = &mut *self.datapath;
        let terms = datapath.terms(ns, service);
        let holds = datapath.services.get(service.id()).is_some_and(|record| {
            record.terms() == terms && holds(datapath, &record.selection(), &plan)
        });
        datapath
            .services
            .set_sched_state(service.id(), plan.sched_state);
        if !holds && let Err(full) = datapath.follow(ns, service, Plan::new(settings, &servers)) {
            tracing::error!(
                service = %service.key(),
                %full,
                "connections follow what was in force before its last change"
            );
        }
    }

    fn drop_service(&mut self, id: ServiceId, servers: &[DestinationId]) {
        for server in servers {
            self.datapath.destinations.delete(*server);
        }
        if let Some(record) = self.datapath.services.get(id) {
            record.bring_into_force(Selection::default(), SchedParams::default());
            record.set_free();
        }
    }

    /// Adds the destination in the record to the table again.
    fn restore_destination(
        &self,
        table: &mut Table,
        service: &ServiceKey,
        adopting: &mut Adopting,
    ) -> Result<(), String> {
        let record = self.datapath.destinations.get(adopting.destination);
        let record = record.ok_or("there is no such record")?.read();
        let spec = records::destination_spec(&record).ok_or("it makes no sense")?;
        table
            .add_destination(service, spec, &Checked, adopting)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Makes the address map match the records.
    fn mend_addresses(&mut self) -> Result<(), MapError> {
        let datapath = &mut *self.datapath;
        let wanted: HashMap<_, _> = datapath
            .services
            .live()
            .filter_map(|(id, record)| {
                let ns = Namespace(record.key().netns);
                let key = records::service_key(record)?;
                Some((records::lookup_key(ns, &key)?, id.0))
            })
            .collect();
        let mut rare = Globals::default();
        for key in wanted.keys() {
            let kinds = records::rare(key);
            rare.all_ports += kinds.all_ports;
            rare.ftp += kinds.ftp;
        }
        datapath.addresses.mend(wanted)?;
        datapath.common.count(rare);
        Ok(())
    }
}

/// Whether a selection in the maps is equal to this plan.
fn holds(datapath: &Datapath, selection: &Selection, plan: &Plan) -> bool {
    selection.kind == plan.kind as u32
        && selection.options == plan.options
        && datapath.schedules.read(selection).as_ref() == Some(&plan.schedule)
}

/// The data path while the table is restored: whatever is added exists already.
struct Adopting {
    service: ServiceId,
    destination: DestinationId,
}

impl DataPath for Adopting {
    fn begin_namespace(&mut self, _ns: Namespace, _owner: Owner) -> Result<(), DataPathFull> {
        Ok(())
    }

    fn alloc_service_id(&mut self, _ns: Namespace) -> Result<ServiceId, DataPathFull> {
        Ok(self.service)
    }

    fn alloc_destination_id(&mut self, _ns: Namespace) -> Result<DestinationId, DataPathFull> {
        Ok(self.destination)
    }

    fn publish(
        &mut self,
        _ns: Namespace,
        _service: &Service,
        _cause: Cause,
    ) -> Result<(), DataPathFull> {
        Ok(())
    }

    fn withdraw(&mut self, _ns: Namespace, _service: &Service) {}

    fn configure(&mut self, _ns: Namespace, _timeouts: &Timeouts, _settings: &Settings) {}

    fn set_sync_daemon(&mut self, _: Namespace, _: SyncState, _: Option<&SyncDaemon>) {}

    fn zero(&mut self, _ns: Namespace, _service: &Service) {}

    fn zero_destination(&mut self, _id: DestinationId) {}

    fn estimate(&mut self, _services: &mut dyn Iterator<Item = &Service>) {}

    fn forget_namespace(&mut self, _ns: Namespace) {}

    fn free_destination_id(&mut self, _id: DestinationId) {}

    fn service_stats(&self, _ns: Namespace, _id: ServiceId) -> Stats {
        Stats::default()
    }

    fn destination_reading(&self, _ns: Namespace, _id: DestinationId) -> DestinationReading {
        DestinationReading::default()
    }
}

/// Addresses and interfaces in the records were checked when a client sent them.
struct Checked;

impl Host for Checked {
    fn address_type(&self, _addr: Ipv4Addr) -> RouteType {
        RouteType::Unicast
    }

    fn is_local_v6(&self, _addr: Ipv6Addr) -> bool {
        true
    }

    fn interface_mtu(&self, _name: &[u8]) -> Option<u32> {
        // Not checked: the records contain the maximum message length.
        Some(0)
    }
}
