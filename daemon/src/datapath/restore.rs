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

use sockvs_ebpf_common::{Globals, Segment, Selection, Terms};

use super::{
    Error, MapPath,
    live::{LiveDestination, LiveService, slot},
    path::Published,
    records,
    room::{Indexes, Stretch, Stretches},
    scheduler::Plan,
};
use crate::ipvs::{
    self, Cause, DataPath, DataPathFull, DestinationId, DestinationReading, Host, Ipvs, Namespace,
    RouteType, Service, ServiceId, Settings, Stats, SyncDaemon, SyncState, Timeouts,
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
        let mut services: Vec<u32> = (0..self.service_records.len())
            .filter(|index| self.service(*index).is_some_and(LiveService::is_live))
            .collect();
        services.sort_unstable_by_key(|index| self.service(*index).map(LiveService::born));
        let mut destinations = self.destinations_by_service(&services);

        let in_force = |index: &u32| {
            self.service(*index)
                .map(|record| stretch(&record.selection()))
        };
        self.slot_room = Stretches::with_used(services.iter().filter_map(in_force).collect());

        for index in &services {
            let servers = destinations.remove(index).unwrap_or_default();
            if let Err(why) = self.restore_service(ipvs, *index, &servers) {
                tracing::error!(
                    record = index,
                    why,
                    "a service of an earlier daemon is lost"
                );
                self.drop_service(*index, &servers);
            }
        }
        self.service_room = Indexes::with_used(
            self.service_room.limit(),
            self.service_records.len(),
            |index| self.service(index).is_some_and(LiveService::is_live),
        );
        self.lingering = (0..self.destination_records.len())
            .filter(|index| {
                self.server(*index)
                    .is_some_and(LiveDestination::is_lingering)
            })
            .collect();
        self.destination_room = Indexes::with_used(
            self.destination_room.limit(),
            self.destination_records.len(),
            |index| {
                self.server(index)
                    .is_some_and(|record| record.is_live() || record.is_lingering())
            },
        );
        self.mend_addresses()?;
        Ok(self.services.len())
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

    fn service(&self, index: u32) -> Option<LiveService<'_>> {
        LiveService::at(&self.service_records, index)
    }

    fn server(&self, index: u32) -> Option<LiveDestination<'_>> {
        LiveDestination::at(&self.destination_records, index)
    }

    /// The records of each service's destinations, oldest first. Those of services that are gone
    /// were left by a daemon that ended while it deleted one.
    fn destinations_by_service(&mut self, services: &[u32]) -> HashMap<u32, Vec<u32>> {
        let services: HashSet<u32> = services.iter().copied().collect();
        let mut found: Vec<_> = Vec::new();
        for index in 0..self.destination_records.len() {
            let Some(record) = self.server(index).filter(|record| record.is_live()) else {
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
        let record = self.service(index).ok_or("there is no such record")?;
        let (key, born, selection) = (record.key(), record.born(), record.selection());
        let spec = records::service_spec(&key, &record.config()).ok_or("it makes no sense")?;
        self.born = self.born.max(born);
        let ns = Namespace(key.netns);
        let table = ipvs.table_mut(ns);
        let service_key = spec.key;
        let refused = |error: ipvs::Error| error.to_string();
        let mut adopting = Adopting {
            path: self,
            service: index,
            destination: 0,
        };
        let id = table.add_service(spec, &mut adopting).map_err(refused)?;
        for server in servers {
            adopting.destination = *server;
            let record = adopting
                .path
                .server(*server)
                .ok_or("there is no such record")?
                .read();
            let spec = records::destination_spec(&record).ok_or("a destination makes no sense")?;
            table
                .add_destination(&service_key, spec, &Checked, &mut adopting)
                .map_err(refused)?;
        }
        for destination in table
            .service(&service_key)
            .into_iter()
            .flat_map(Service::destinations)
        {
            // A daemon may have ended before it had written them, or counted elsewhere.
            if let Some(record) = self.destination(destination.id()) {
                record.set_thresholds(
                    destination.upper_threshold(),
                    destination.recovery_threshold(),
                );
            }
        }
        let zero = self.service(index).map(LiveService::zero_point);
        table.resume_zero_points(&service_key, zero.unwrap_or_default(), |id| {
            self.destination(id)
                .map_or_else(Stats::default, LiveDestination::zero_point)
        });
        let service = table.service(&service_key).ok_or("it was not added")?;
        self.settle(id, service, &selection)
            .map_err(|full| full.to_string())
    }

    /// Goes on with the selection in force, or replaces it if it is not what the records ask for.
    fn settle(
        &mut self,
        id: ServiceId,
        service: &Service,
        selection: &Selection,
    ) -> Result<(), DataPathFull> {
        let Some(mut published) = self.services.remove(&id) else {
            return Ok(());
        };
        let servers = self.servers_of(published.index, service)?;
        let plan = Plan::resumed(records::settings(service), &servers);
        let ns = self
            .service(published.index)
            .map(|record| record.key().netns);
        let terms = self.terms(Namespace(ns.unwrap_or(0)), service);
        let same_terms = self
            .service(published.index)
            .is_some_and(|record| record.terms() == terms);
        let settled = if same_terms && self.holds(selection, &plan) {
            published.plan = plan;
            published.servers = servers;
            Ok(())
        } else {
            let plan = Plan::new(records::settings(service), &servers);
            self.follow(&mut published, service, plan, servers)
        };
        self.services.insert(id, published);
        settled
    }

    /// Whether a selection in the maps stands for this plan.
    fn holds(&self, selection: &Selection, plan: &Plan) -> bool {
        let Plan {
            kind,
            options,
            sequence,
            ..
        } = plan;
        let runs = &sequence.runs;
        let single = runs.len() <= 1;
        selection.kind == *kind as u32
            && selection.options == *options
            && selection.period == sequence.period
            && selection.segments as usize == runs.len()
            && runs
                .iter()
                .zip((selection.segments_at..).step_by(Segment::WORDS as usize))
                .all(|(run, at)| {
                    let segment = if single {
                        Some(Segment {
                            first: 0,
                            at: selection.first_at,
                            len: selection.first_len,
                        })
                    } else {
                        slot(&self.slots, at)
                            .zip(slot(&self.slots, at + 1))
                            .map(|(first, place)| Segment::from_words([first, place]))
                    };
                    segment.is_some_and(|segment| {
                        segment.first == run.first
                            && segment.len as usize == run.servers.len()
                            && run
                                .servers
                                .iter()
                                .zip(segment.at..)
                                .all(|(server, at)| slot(&self.slots, at) == Some(server.slot()))
                    })
                })
    }

    fn drop_service(&mut self, index: u32, servers: &[u32]) {
        self.services
            .retain(|_, published| published.index != index);
        self.destinations
            .retain(|_, server| !servers.contains(server));
        for server in servers {
            self.free_destination(*server);
        }
        if let Some(record) = self.service(index) {
            record.bring_into_force(Selection::default(), Terms::default());
            record.set_free();
        }
    }

    /// Makes the way from addresses to services what the records say.
    fn mend_addresses(&mut self) -> Result<(), Error> {
        let failed = |error| Error::Map {
            name: "SERVICES",
            error,
        };
        let wanted: HashMap<_, _> = self
            .services
            .values()
            .filter_map(|published| Some((published.lookup?, published.index)))
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

/// The stretch of slots that a selection uses.
fn stretch(selection: &Selection) -> Stretch {
    Stretch::taken(selection.segments_at, selection.slots)
}

/// The data path while the table is filled from it: what is added is there already.
struct Adopting<'p> {
    path: &'p mut MapPath,
    service: u32,
    destination: u32,
}

impl DataPath for Adopting<'_> {
    fn publish(
        &mut self,
        ns: Namespace,
        service: &Service,
        cause: Cause,
    ) -> Result<(), DataPathFull> {
        if let Cause::DestinationAdded(id) = cause {
            self.path.destinations.insert(id, self.destination);
            return Ok(());
        }
        let record = self
            .path
            .service(self.service)
            .ok_or(DataPathFull::NoSpace)?;
        let published = Published {
            index: self.service,
            lookup: records::lookup_key(ns, service.key()),
            servers: Vec::new(),
            plan: Plan::default(),
            stretch: stretch(&record.selection()),
        };
        self.path.services.insert(service.id(), published);
        Ok(())
    }

    fn withdraw(&mut self, _ns: Namespace, _service: &Service) {}

    fn configure(&mut self, _ns: Namespace, _timeouts: &Timeouts, _settings: &Settings) {}

    fn set_sync_daemon(&mut self, _: Namespace, _: SyncState, _: Option<&SyncDaemon>) {}

    fn zeroed(&mut self, _ns: Namespace, _service: &Service) {}

    fn estimate(&mut self) {}

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
