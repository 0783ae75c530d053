//! Taking up what an earlier daemon left in the maps.
//!
//! The records say what clients configured. Each service and destination is added to the table
//! again by the same rules, oldest first, only that the records are there already. Connections
//! notice nothing: a selection that is in force stays, unless the daemon that put it there ended
//! before it had carried its change through.

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, Ipv6Addr},
};

use sockvs_ebpf_common::{Globals, SchedParams, Selection};

use super::{
    Error, MapPath,
    live::{LiveDestination, LiveService},
    records,
    room::Indexes,
    scheduler::{Plan, Server},
    sequences::{sequence, stretch},
    stretches::Stretches,
};
use sockvs_ipvs::{
    Cause, DataPath, DataPathFull, DestinationId, DestinationReading, Host, Ipvs, Namespace, Owner,
    RouteType, Service, ServiceId, ServiceKey, Settings, Stats, SyncDaemon, SyncState, Table,
    Timeouts,
};

impl MapPath {
    /// Adds to the tables what the maps hold, and returns how many services that were.
    ///
    /// # Errors
    ///
    /// When the map of addresses cannot be read or mended.
    pub fn restore(&mut self, ipvs: &mut Ipvs) -> Result<usize, Error> {
        self.common.restore(ipvs).map_err(|error| Error::Map {
            name: "NAMESPACES",
            error,
        })?;
        self.restore_sync_daemons(ipvs)?;
        self.finish_edit().map_err(|error| Error::Map {
            name: "EDIT",
            error,
        })?;
        let mut services: Vec<u32> = (0..self.service_records.len())
            .filter(|index| self.is_live(*index))
            .collect();
        services
            .sort_unstable_by_key(|index| self.service(ServiceId(*index)).map(LiveService::born));
        let mut destinations = self.destinations_by_service(&services);

        let in_force = |index: &u32| {
            self.service(ServiceId(*index))
                .map(|record| stretch(&record.selection()))
        };
        let in_force = services.iter().filter_map(in_force).collect();
        self.slot_room = Stretches::with_used(self.slot_room.limit(), in_force);

        let mut restored = 0;
        for index in &services {
            let servers = destinations.remove(index).unwrap_or_default();
            match self.restore_service(ipvs, *index, &servers) {
                Ok(()) => restored += 1,
                Err(why) => {
                    tracing::error!(
                        record = index,
                        why,
                        "a service of an earlier daemon is lost"
                    );
                    self.drop_service(*index, &servers);
                }
            }
        }
        self.service_room = Indexes::with_used(
            self.service_room.limit(),
            self.service_records.len(),
            |index| self.is_live(index),
        );
        self.lingering = (0..self.destination_records.len())
            .filter(|index| {
                self.destination(DestinationId(*index))
                    .is_some_and(LiveDestination::is_lingering)
            })
            .collect();
        self.destination_room = Indexes::with_used(
            self.destination_room.limit(),
            self.destination_records.len(),
            |index| {
                self.destination(DestinationId(index))
                    .is_some_and(|record| record.is_live() || record.is_lingering())
            },
        );
        for ns in ipvs.namespaces() {
            self.owners.restored(ns);
        }
        self.mend_addresses()?;
        Ok(restored)
    }

    fn restore_sync_daemons(&mut self, ipvs: &mut Ipvs) -> Result<(), Error> {
        let kept = self.sync_daemons.kept().map_err(|error| Error::Map {
            name: "SYNC_DAEMONS",
            error,
        })?;
        for (ns, spec) in kept {
            let started = spec
                .ok_or_else(|| "it makes no sense".to_owned())
                .and_then(|spec| {
                    let mut adopting = Adopting {
                        path: self,
                        service: 0,
                        destination: 0,
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

    fn is_live(&self, index: u32) -> bool {
        self.service(ServiceId(index))
            .is_some_and(LiveService::is_live)
    }

    /// The records of each service's destinations, oldest first. Those of services that are gone
    /// were left by a daemon that ended while it deleted one.
    fn destinations_by_service(&mut self, services: &[u32]) -> HashMap<u32, Vec<u32>> {
        let services: HashSet<u32> = services.iter().copied().collect();
        let mut found: Vec<_> = Vec::new();
        for index in 0..self.destination_records.len() {
            let record = self.destination(DestinationId(index));
            let Some(record) = record.filter(|record| record.is_live()) else {
                continue;
            };
            let destination = record.read();
            if services.contains(&destination.service) {
                found.push((destination.born, destination.service, index));
            } else {
                record.set_free();
            }
        }
        self.born = found
            .iter()
            .map(|(born, ..)| *born)
            .max()
            .unwrap_or(self.born);
        found.sort_unstable();
        let mut by_service: HashMap<u32, Vec<u32>> = HashMap::new();
        for (_, service, index) in found {
            by_service.entry(service).or_default().push(index);
        }
        by_service
    }

    fn restore_service(
        &mut self,
        ipvs: &mut Ipvs,
        index: u32,
        servers: &[u32],
    ) -> Result<(), String> {
        let id = ServiceId(index);
        let record = self.service(id).ok_or("there is no such record")?;
        let (key, born) = (record.key(), record.born());
        let spec = records::service_spec(record).ok_or("it makes no sense")?;
        self.born = self.born.max(born);
        let ns = Namespace(key.netns);
        let table = ipvs.table_mut(ns);
        let service_key = spec.key;
        let mut adopting = Adopting {
            path: self,
            service: index,
            destination: 0,
        };
        table
            .add_service(spec, &mut adopting)
            .map_err(|error| error.to_string())?;
        for server in servers {
            adopting.destination = *server;
            if let Err(why) = restore_destination(table, &service_key, &mut adopting) {
                tracing::error!(
                    service = %service_key,
                    record = server,
                    why,
                    "a server of an earlier daemon is lost"
                );
                adopting.path.free_destination(DestinationId(*server));
            }
        }
        let service = table.service(&service_key).ok_or("it was not added")?;
        for destination in service.destinations() {
            // A daemon may have ended before it had written them, or counted elsewhere.
            if let Some(record) = self.destination(destination.id()) {
                record.set_thresholds(destination.upper_threshold(), destination.lower_threshold());
            }
        }
        self.settle(ns, service);
        Ok(())
    }

    /// Goes on with the selection in force, or replaces it if it is not what the records ask for.
    fn settle(&mut self, ns: Namespace, service: &Service) {
        let servers: Vec<Server> = service.destinations().map(records::server).collect();
        let settings = records::settings(service);
        let plan = Plan::resumed(settings, &servers);
        let terms = self.terms(ns, service);
        let holds = self.service(service.id()).is_some_and(|record| {
            record.terms() == terms && self.holds(&record.selection(), &plan)
        });
        self.remember(service.id(), plan.memory);
        if !holds && let Err(full) = self.follow(ns, service, Plan::new(settings, &servers)) {
            tracing::error!(
                service = %service.key(),
                %full,
                "connections follow what was in force before its last change"
            );
        }
    }

    /// Whether a selection in the maps stands for this plan.
    fn holds(&self, selection: &Selection, plan: &Plan) -> bool {
        selection.kind == plan.kind as u32
            && selection.options == plan.options
            && sequence(&self.slots, selection).as_ref() == Some(&plan.sequence)
    }

    fn drop_service(&mut self, index: u32, servers: &[u32]) {
        for server in servers {
            self.free_destination(DestinationId(*server));
        }
        if let Some(record) = self.service(ServiceId(index)) {
            record.bring_into_force(Selection::default(), SchedParams::default());
            record.set_free();
        }
    }

    /// Makes the way from addresses to services what the records say.
    fn mend_addresses(&mut self) -> Result<(), Error> {
        let failed = |error| Error::Map {
            name: "SERVICES",
            error,
        };
        let wanted: HashMap<_, _> = (0..self.service_records.len())
            .filter_map(|index| {
                let record = self
                    .service(ServiceId(index))
                    .filter(|record| record.is_live())?;
                let ns = Namespace(record.key().netns);
                let key = records::service_key(record)?;
                Some((records::lookup_key(ns, &key)?, index))
            })
            .collect();
        let mut rare = Globals::default();
        for key in wanted.keys() {
            let kinds = records::rare(key);
            rare.all_ports += kinds.all_ports;
            rare.ftp += kinds.ftp;
        }
        self.addresses.mend(wanted).map_err(failed)?;
        self.common.count(rare);
        Ok(())
    }
}

/// Adds the destination to the table again that stands in the record.
fn restore_destination(
    table: &mut Table,
    service: &ServiceKey,
    adopting: &mut Adopting<'_>,
) -> Result<(), String> {
    let id = DestinationId(adopting.destination);
    let record = adopting.path.destination(id);
    let record = record.ok_or("there is no such record")?.read();
    let spec = records::destination_spec(&record).ok_or("it makes no sense")?;
    table
        .add_destination(service, spec, &Checked, adopting)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The data path while the table is filled from it: what is added is there already.
struct Adopting<'p> {
    path: &'p mut MapPath,
    service: u32,
    destination: u32,
}

impl DataPath for Adopting<'_> {
    fn begin_namespace(&mut self, _ns: Namespace, _owner: Owner) -> Result<(), DataPathFull> {
        Ok(())
    }

    fn name_service(&mut self, _ns: Namespace) -> Result<ServiceId, DataPathFull> {
        Ok(ServiceId(self.service))
    }

    fn name_destination(&mut self, _ns: Namespace) -> Result<DestinationId, DataPathFull> {
        Ok(DestinationId(self.destination))
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

    fn forget(&mut self, _id: DestinationId) {}

    fn service_stats(&self, _ns: Namespace, _id: ServiceId) -> Stats {
        Stats::default()
    }

    fn destination_reading(&self, _ns: Namespace, _id: DestinationId) -> DestinationReading {
        DestinationReading::default()
    }
}

/// Addresses and interfaces in the records were checked when a client gave them.
struct Checked;

impl Host for Checked {
    fn address_type(&self, _addr: Ipv4Addr) -> RouteType {
        RouteType::Unicast
    }

    fn is_local_v6(&self, _addr: Ipv6Addr) -> bool {
        true
    }

    fn interface_mtu(&self, _name: &[u8]) -> Option<u32> {
        // Not looked at: the records say how long a message may be.
        Some(0)
    }
}
