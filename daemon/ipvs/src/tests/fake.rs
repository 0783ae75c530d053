//! The table that the tests use, and short forms of clients' requests.

use std::net::IpAddr;

pub(super) use crate::fake::{FakeHost, FakePath};
use crate::trash::Trash;
use crate::{
    DestinationId, DestinationKey, DestinationReading, DestinationSpec, Error, Family,
    ForwardingMethod, Namespace, Netmask, Service, ServiceId, ServiceKey, ServiceSpec, Stats,
    SyncDaemon, Table, Timeouts, TunnelInfo,
};

pub(super) const NS: Namespace = Namespace(7);

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

/// The service of `ipvsadm -A -s rr`.
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

/// The destination of `ipvsadm -a -m`.
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

/// The destination of `ipvsadm -a -i`.
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

/// A table, its data path and its host.
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
