//! The machine and the data path that the tests run against, and short ways to say what a client
//! says.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ipvs::trash::Trash;
use crate::ipvs::{
    Cause, DataPath, DataPathFull, DestinationId, DestinationKey, DestinationReading,
    DestinationSpec, Error, Family, ForwardingMethod, Host, Namespace, Netmask, RouteType, Service,
    ServiceId, ServiceKey, ServiceSpec, Settings, Stats, SyncDaemon, SyncState, Table, Timeouts,
    TunnelInfo,
};

pub(super) const NS: Namespace = Namespace(7);

/// Remembers what it was told; refuses when asked to.
#[derive(Default)]
pub(super) struct FakePath {
    pub(super) published: Vec<(Namespace, Service, Cause)>,
    pub(super) withdrawn: Vec<(Namespace, ServiceKey)>,
    pub(super) configured: Option<(Namespace, Timeouts, Settings)>,
    pub(super) sync_daemons: Vec<(Namespace, SyncState, Option<SyncDaemon>)>,
    pub(super) refuses: Option<DataPathFull>,
    pub(super) services: HashMap<ServiceId, Stats>,
    pub(super) destinations: HashMap<DestinationId, DestinationReading>,
}

impl FakePath {
    pub(super) fn last(&self) -> (&Service, Cause) {
        let (_, service, cause) = self.published.last().expect("something was published");
        (service, *cause)
    }
}

impl DataPath for FakePath {
    fn publish(
        &mut self,
        ns: Namespace,
        service: &Service,
        cause: Cause,
    ) -> Result<(), DataPathFull> {
        match self.refuses {
            Some(reason) => Err(reason),
            None => {
                self.published.push((ns, service.clone(), cause));
                Ok(())
            }
        }
    }

    fn withdraw(&mut self, ns: Namespace, service: &Service) {
        self.withdrawn.push((ns, *service.key()));
    }

    fn configure(&mut self, ns: Namespace, timeouts: &Timeouts, settings: &Settings) {
        self.configured = Some((ns, *timeouts, settings.clone()));
    }

    fn set_sync_daemon(&mut self, ns: Namespace, state: SyncState, daemon: Option<&SyncDaemon>) {
        self.sync_daemons.push((ns, state, daemon.cloned()));
    }

    fn zeroed(&mut self, _: Namespace, _: &Service) {}

    fn estimate(&mut self) {}

    fn forget_namespace(&mut self, _ns: Namespace) {}

    fn forget(&mut self, _id: DestinationId) {}

    fn service_stats(&self, _: Namespace, id: ServiceId) -> Stats {
        self.services.get(&id).copied().unwrap_or_default()
    }

    fn destination_reading(&self, _: Namespace, id: DestinationId) -> DestinationReading {
        self.destinations.get(&id).copied().unwrap_or_default()
    }
}

/// Takes everything, and reads the same of everything.
#[derive(Clone, Copy, Default)]
pub(crate) struct FixedPath {
    pub(crate) stats: Stats,
    pub(crate) reading: DestinationReading,
}

impl DataPath for FixedPath {
    fn publish(&mut self, _: Namespace, _: &Service, _: Cause) -> Result<(), DataPathFull> {
        Ok(())
    }

    fn withdraw(&mut self, _: Namespace, _: &Service) {}

    fn configure(&mut self, _: Namespace, _: &Timeouts, _: &Settings) {}

    fn set_sync_daemon(&mut self, _: Namespace, _: SyncState, _: Option<&SyncDaemon>) {}

    fn zeroed(&mut self, _: Namespace, _: &Service) {}

    fn estimate(&mut self) {}

    fn forget_namespace(&mut self, _: Namespace) {}

    fn forget(&mut self, _: DestinationId) {}

    fn service_stats(&self, _: Namespace, _: ServiceId) -> Stats {
        self.stats
    }

    fn destination_reading(&self, _: Namespace, _: DestinationId) -> DestinationReading {
        self.reading
    }
}

/// A machine with 10.0.0.9, fe80::9, and the interfaces eth0 (MTU 1500), lo (65536), jumbo (9000)
/// and small (576).
pub(crate) struct FakeHost;

impl Host for FakeHost {
    fn address_type(&self, addr: Ipv4Addr) -> RouteType {
        RouteType::of_bits(addr).unwrap_or(match addr.octets() {
            [10, 0, 0, 9] | [127, ..] => RouteType::Local,
            [.., 255] => RouteType::Broadcast,
            _ => RouteType::Unicast,
        })
    }

    fn is_local_v6(&self, addr: Ipv6Addr) -> bool {
        addr == "fe80::9".parse::<Ipv6Addr>().unwrap()
    }

    fn interface_mtu(&self, name: &[u8]) -> Option<u32> {
        match name {
            b"eth0" => Some(1500),
            b"lo" => Some(65536),
            b"jumbo" => Some(9000),
            b"small" => Some(576),
            _ => None,
        }
    }
}

/// `"10.0.0.1:80"` or `"[2001:db8::1]:80"`, TCP.
pub(super) fn tcp(at: &str) -> ServiceKey {
    let at: std::net::SocketAddr = at.parse().unwrap();
    ServiceKey::Address {
        protocol: 6,
        addr: at.ip(),
        port: at.port(),
    }
}

pub(super) fn fwmark(family: Family, mark: u32) -> ServiceKey {
    ServiceKey::from_fwmark(family, mark)
}

/// What `ipvsadm -A -s rr` says.
pub(super) fn service(key: ServiceKey) -> ServiceSpec {
    ServiceSpec {
        key,
        scheduler: b"rr".to_vec(),
        persistence_engine: None,
        flags: 0,
        mask: !0,
        timeout: 0,
        netmask: match key.family() {
            Family::Inet => Netmask(!0),
            Family::Inet6 => Netmask(128),
        },
    }
}

pub(super) fn server(at: &str) -> DestinationKey {
    let at: std::net::SocketAddr = at.parse().unwrap();
    DestinationKey {
        addr: at.ip(),
        port: at.port(),
    }
}

/// What `ipvsadm -a -m` says.
pub(super) fn destination(at: &str) -> DestinationSpec {
    DestinationSpec {
        key: server(at),
        forwarding: ForwardingMethod::MASQUERADE,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
        tunnel: TunnelInfo::default(),
    }
}

/// What `ipvsadm -a -i` says.
pub(super) fn tunnel(at: &str) -> DestinationSpec {
    DestinationSpec {
        forwarding: ForwardingMethod::TUNNEL,
        ..destination(at)
    }
}

pub(super) fn v4(addr: &str) -> IpAddr {
    IpAddr::V4(addr.parse().unwrap())
}

pub(super) fn conns(conns: u64) -> Stats {
    Stats {
        conns,
        ..Stats::default()
    }
}

pub(super) fn read(stats: Stats) -> DestinationReading {
    DestinationReading {
        stats,
        ..DestinationReading::default()
    }
}

/// A table, its data path and its machine.
pub(super) struct Fixture {
    pub(super) table: Table,
    pub(super) path: FakePath,
}

impl Default for Fixture {
    fn default() -> Self {
        Self {
            table: Table::new(NS),
            path: FakePath::default(),
        }
    }
}

/// Everything that clients or later requests can see of a table.
#[derive(Debug, PartialEq)]
pub(super) struct Snapshot {
    services: Vec<Service>,
    trash: Trash,
    timeouts: Timeouts,
    sync_daemons: Vec<SyncDaemon>,
}

impl Fixture {
    /// A table with the service 10.0.0.1:80.
    pub(super) fn with_service() -> (Self, ServiceKey) {
        let mut fixture = Self::default();
        let key = tcp("10.0.0.1:80");
        fixture.add(key);
        (fixture, key)
    }

    pub(super) fn add(&mut self, key: ServiceKey) -> ServiceId {
        self.table
            .add_service(service(key), &mut self.path)
            .unwrap()
    }

    pub(super) fn try_destination(
        &mut self,
        key: &ServiceKey,
        spec: DestinationSpec,
    ) -> Result<DestinationId, Error> {
        self.table
            .add_destination(key, spec, &FakeHost, &mut self.path)
    }

    pub(super) fn add_destination(&mut self, key: &ServiceKey, at: &str) -> DestinationId {
        self.try_destination(key, destination(at)).unwrap()
    }

    pub(super) fn delete_destination(&mut self, key: &ServiceKey, at: &str) {
        self.table
            .delete_destination(key, &server(at), &mut self.path)
            .unwrap();
    }

    pub(super) fn service(&self, key: &ServiceKey) -> &Service {
        self.table.service(key).unwrap()
    }

    pub(super) fn dump(&self, index: usize) -> Vec<ServiceKey> {
        self.table
            .services_from(index)
            .map(|service| *service.key())
            .collect()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            services: self.table.services_from(0).cloned().collect(),
            trash: self.table.trash().clone(),
            timeouts: self.table.timeouts(),
            sync_daemons: self.table.sync_daemons().cloned().collect(),
        }
    }
}
