//! A fake host and fake data paths, for running the rules without a kernel: in tests and fuzz
//! targets.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    Cause, DataPath, DataPathFull, DestinationId, DestinationReading, Host, Namespace, Owner,
    RouteType, Service, ServiceId, ServiceKey, Settings, Stats, SyncDaemon, SyncState, Timeouts,
};

/// Records the calls; refuses changes on request.
#[derive(Default)]
pub struct FakePath {
    /// What was published.
    pub published: Vec<(Namespace, Service, Cause)>,
    /// Which services were withdrawn.
    pub withdrawn: Vec<(Namespace, ServiceKey)>,
    /// The last timeouts and settings.
    pub configured: Option<(Namespace, Timeouts, Settings)>,
    /// The sync daemons that started and stopped.
    pub sync_daemons: Vec<(Namespace, SyncState, Option<SyncDaemon>)>,
    /// The error with which changes are refused at present.
    pub refuses: Option<DataPathFull>,
    /// The counters of services.
    pub services: HashMap<ServiceId, Stats>,
    /// The readings of destinations.
    pub destinations: HashMap<DestinationId, DestinationReading>,
    /// The last id that was allocated.
    named: u32,
}

impl FakePath {
    /// The service that was published last.
    ///
    /// # Panics
    ///
    /// When there was none.
    pub fn last(&self) -> (&Service, Cause) {
        let (_, service, cause) = self.published.last().expect("something was published");
        (service, *cause)
    }
}

impl DataPath for FakePath {
    fn begin_namespace(&mut self, _: Namespace, _: Owner) -> Result<(), DataPathFull> {
        Ok(())
    }

    fn alloc_service_id(&mut self, _: Namespace) -> Result<ServiceId, DataPathFull> {
        self.named += 1;
        Ok(ServiceId(self.named))
    }

    fn alloc_destination_id(&mut self, _: Namespace) -> Result<DestinationId, DataPathFull> {
        self.named += 1;
        Ok(DestinationId(self.named))
    }

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

    fn zero(&mut self, _: Namespace, service: &Service) {
        if let Some(stats) = self.services.get_mut(&service.id()) {
            *stats = stats.from_nothing();
        }
        for destination in service.destinations() {
            self.zero_destination(destination.id());
        }
    }

    fn zero_destination(&mut self, id: DestinationId) {
        if let Some(reading) = self.destinations.get_mut(&id) {
            reading.stats = reading.stats.from_nothing();
        }
    }

    fn estimate(&mut self, _: &mut dyn Iterator<Item = &Service>) {}

    fn forget_namespace(&mut self, _ns: Namespace) {}

    fn free_destination_id(&mut self, _id: DestinationId) {}

    fn service_stats(&self, _: Namespace, id: ServiceId) -> Stats {
        self.services.get(&id).copied().unwrap_or_default()
    }

    fn destination_reading(&self, _: Namespace, id: DestinationId) -> DestinationReading {
        self.destinations.get(&id).copied().unwrap_or_default()
    }
}

/// Accepts everything, and returns the same counters for everything.
#[derive(Clone, Copy, Default)]
pub struct FixedPath {
    /// The counters of every service.
    pub stats: Stats,
    /// The reading of every destination.
    pub reading: DestinationReading,
}

impl DataPath for FixedPath {
    fn begin_namespace(&mut self, _: Namespace, _: Owner) -> Result<(), DataPathFull> {
        Ok(())
    }

    fn alloc_service_id(&mut self, _: Namespace) -> Result<ServiceId, DataPathFull> {
        Ok(ServiceId(0))
    }

    fn alloc_destination_id(&mut self, _: Namespace) -> Result<DestinationId, DataPathFull> {
        Ok(DestinationId(0))
    }

    fn publish(&mut self, _: Namespace, _: &Service, _: Cause) -> Result<(), DataPathFull> {
        Ok(())
    }

    fn withdraw(&mut self, _: Namespace, _: &Service) {}

    fn configure(&mut self, _: Namespace, _: &Timeouts, _: &Settings) {}

    fn set_sync_daemon(&mut self, _: Namespace, _: SyncState, _: Option<&SyncDaemon>) {}

    fn zero(&mut self, _: Namespace, _: &Service) {
        self.stats = self.stats.from_nothing();
        self.reading.stats = self.reading.stats.from_nothing();
    }

    fn zero_destination(&mut self, _: DestinationId) {}

    fn estimate(&mut self, _: &mut dyn Iterator<Item = &Service>) {}

    fn forget_namespace(&mut self, _: Namespace) {}

    fn free_destination_id(&mut self, _: DestinationId) {}

    fn service_stats(&self, _: Namespace, _: ServiceId) -> Stats {
        self.stats
    }

    fn destination_reading(&self, _: Namespace, _: DestinationId) -> DestinationReading {
        self.reading
    }
}

/// A host with 10.0.0.9, fe80::9, and the interfaces eth0 (MTU 1500), lo (65536), jumbo (9000) and
/// small (576).
pub struct FakeHost;

impl Host for FakeHost {
    fn address_type(&self, addr: Ipv4Addr) -> RouteType {
        RouteType::of_bits(addr).unwrap_or(match addr.octets() {
            [10, 0, 0, 9] | [127, ..] => RouteType::Local,
            [.., 255] => RouteType::Broadcast,
            _ => RouteType::Unicast,
        })
    }

    fn is_local_v6(&self, addr: Ipv6Addr) -> bool {
        addr == Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9)
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
