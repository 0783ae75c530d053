//! The tables of two namespaces, with fakes around them, and what must hold of them at all times.

use std::{collections::HashSet, time::Duration};

use arbitrary::Arbitrary;
use sockvs_ipvs::{
    DataPathFull, Destination, DestinationReading, Ipvs, Namespace, Service, Settings, Stats,
    SyncDaemon, Table, Timeouts,
};
use sockvs_server::{
    genl::GenlServer,
    state::{IpvsState, Tables},
};

use crate::{path::SharedPath, rare::Rare};

/// The two namespaces.
pub const NAMESPACES: [Namespace; 2] = [Namespace(1), Namespace(2)];

/// What happens beside requests.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Event {
    /// From now on the data path takes nothing, for this reason or the other.
    Full { no_space: bool },
    /// From now on it takes everything.
    Room,
    /// The connections and counters of a destination are these. It is the `of`th there is.
    Traffic {
        of: u8,
        active: u8,
        persistent: bool,
        conns: u16,
        bytes: u32,
    },
    /// Time passes, and the trash is looked through.
    Later { seconds: u8 },
    /// A network namespace ends.
    End { sure: Rare<()>, elsewhere: bool },
}

/// Everything that can be seen of one namespace's table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    services: Vec<Service>,
    timeouts: Timeouts,
    settings: Settings,
    sync_daemons: Vec<SyncDaemon>,
    has_trash: bool,
}

impl Snapshot {
    fn of(table: &Table) -> Self {
        Self {
            services: table.services_from(0).cloned().collect(),
            timeouts: table.timeouts(),
            settings: table.settings().clone(),
            sync_daemons: table.sync_daemons().cloned().collect(),
            has_trash: table.has_trash(),
        }
    }
}

/// A state, what serves it, and what it stands on.
pub struct Bench {
    /// The tables.
    pub state: IpvsState,
    /// What serves them over netlink.
    pub genl: GenlServer,
    /// What it publishes to.
    pub path: SharedPath,
    now: Duration,
}

impl Default for Bench {
    fn default() -> Self {
        let path = SharedPath::default();
        let state = IpvsState::new(Tables {
            ipvs: Ipvs::new(),
            path: Box::new(path.clone()),
        });
        Self {
            genl: GenlServer::new(state.clone()),
            state,
            path,
            now: Duration::ZERO,
        }
    }
}

impl Bench {
    /// What both tables are. A namespace that has no table yet has an empty one.
    pub fn snapshot(&self) -> [Snapshot; 2] {
        let tables = self.state.lock();
        NAMESPACES.map(|ns| tables.ipvs.table(ns).map(Snapshot::of).unwrap_or_default())
    }

    /// Lets something happen.
    pub fn happen(&mut self, event: Event) {
        match event {
            Event::Full { no_space } => {
                self.path.lock().fake.refuses = Some(if no_space {
                    DataPathFull::NoSpace
                } else {
                    DataPathFull::NoMemory
                });
            }
            Event::Room => self.path.lock().fake.refuses = None,
            Event::Traffic {
                of,
                active,
                persistent,
                conns,
                bytes,
            } => {
                let stats = Stats {
                    conns: conns.into(),
                    inpkts: u64::from(bytes) << 8,
                    inbytes: u64::from(bytes) << 32,
                    cps: conns.into(),
                    ..Stats::default()
                };
                let reading = DestinationReading {
                    active: active.into(),
                    inactive: 0,
                    persistent: persistent.into(),
                    stats,
                };
                self.traffic(of.into(), reading);
            }
            Event::Later { seconds } => {
                self.now += Duration::from_secs(seconds.into());
                self.state.expire_trash(self.now);
            }
            Event::End { sure, elsewhere } => {
                if sure.is_there() {
                    self.state
                        .remove_namespace(NAMESPACES[usize::from(elsewhere)]);
                }
            }
        }
        self.check();
    }

    fn traffic(&self, of: usize, reading: DestinationReading) {
        let tables = self.state.lock();
        let tables = NAMESPACES.iter().filter_map(|ns| tables.ipvs.table(*ns));
        let services: Vec<_> = tables.flat_map(|table| table.services_from(0)).collect();
        let destinations: Vec<_> = services
            .iter()
            .flat_map(|service| service.destinations().map(|one| (service.id(), one.id())))
            .collect();
        if let Some((service, destination)) = destinations.get(of % destinations.len().max(1)) {
            let mut followed = self.path.lock();
            followed.fake.services.insert(*service, reading.stats);
            followed.fake.destinations.insert(*destination, reading);
        }
    }

    /// Checks what must always hold.
    pub fn check(&self) {
        let tables = self.state.lock();
        let followed = self.path.lock();
        let mut ids = HashSet::new();
        for ns in NAMESPACES {
            let sync_daemons = followed.sync_daemons(ns);
            let mut services = followed.services(ns);
            if let Some(table) = tables.ipvs.table(ns) {
                check_table(table, &mut ids);
                let mut listed: Vec<_> = table.services_from(0).collect();
                listed.sort_by_key(|service| service.id());
                for service in listed {
                    let same = services.next().expect("what is listed is followed");
                    same_service(service, same);
                }
                let mut listed = table.sync_daemons();
                assert!(listed.all(|daemon| followed.runs(ns, daemon)));
                assert_eq!(table.sync_daemons().count(), sync_daemons);
            } else {
                assert_eq!(sync_daemons, 0);
            }
            assert_eq!(services.next(), None, "what is not listed is not followed");
        }
    }
}

fn check_table(table: &Table, ids: &mut HashSet<u32>) {
    let services: Vec<_> = table.services_from(0).collect();
    assert_eq!(services.len(), table.len());
    assert_eq!(services.is_empty(), table.is_empty());
    let mut keys = HashSet::new();
    for (index, service) in services.iter().enumerate() {
        let key = service.key();
        assert!(keys.insert(key), "{key} is there twice");
        assert_eq!(table.service(key), Some(*service), "{key} is found");
        assert_eq!(table.services_from(index).next(), Some(*service));
        let mut servers = HashSet::new();
        for (index, destination) in service.destinations().enumerate() {
            let its = destination.key();
            assert!(servers.insert(its), "{key} has {its} twice");
            assert!(ids.insert(destination.id().0), "two have one id");
            assert_eq!(service.destination(its), Some(destination));
            assert_eq!(service.destinations_from(index).next(), Some(destination));
            check_destination(destination);
        }
    }
    assert!(table.services_from(services.len()).next().is_none());
    assert!(table.sync_daemons().count() <= 2);
}

fn check_destination(destination: &Destination) {
    let (lower, upper) = (destination.lower_threshold(), destination.upper_threshold());
    assert!(destination.weight() >= 0 && destination.last_weight() >= 0);
    assert!(destination.weight() == 0 || destination.weight() == destination.last_weight());
    assert!(lower <= upper && upper <= i32::MAX.unsigned_abs());
    assert!(destination.recovery_threshold() <= upper);
    assert!(destination.forwarding().to_raw() < 8);
}

/// What connections follow is what is listed.
fn same_service(listed: &Service, followed: &Service) {
    let of_service = |service: &Service| {
        (
            (service.id(), *service.key(), service.scheduler()),
            (service.flags(), service.timeout_ticks(), service.netmask()),
            service.persistence_engine(),
        )
    };
    let of_destination = |one: &Destination| {
        (
            (one.id(), *one.key(), one.forwarding(), one.tunnel()),
            (one.weight(), one.last_weight()),
            (one.upper_threshold(), one.lower_threshold()),
        )
    };
    assert_eq!(of_service(listed), of_service(followed));
    assert!(
        listed
            .destinations()
            .map(of_destination)
            .eq(followed.destinations().map(of_destination)),
        "{listed:?} is listed, {followed:?} is followed"
    );
}
