//! A virtual service (`struct ip_vs_service`), and the configuration that clients send for it.
//!
//! The rules for changing it are in `table`.

use std::net::Ipv4Addr;

use super::{
    Destination, DestinationId, DestinationKey, Destinations, Family, HZ, PersistenceEngine,
    Scheduler, ServiceId, ServiceKey,
};

/// The flags of a service (`IP_VS_SVC_F_*`). The kernel stores unknown bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceFlags(pub u32);

impl ServiceFlags {
    /// A client is assigned to the same destination for the service's timeout.
    pub const PERSISTENT: Self = Self(0x1);
    /// The service is in the table. The kernel sets it; every listed service has it.
    pub const HASHED: Self = Self(0x2);
    /// Each UDP datagram is scheduled independently.
    pub const ONE_PACKET: Self = Self(0x4);
    /// First flag for the scheduler.
    pub const SCHED1: Self = Self(0x8);
    /// Second flag for the scheduler.
    pub const SCHED2: Self = Self(0x10);
    /// Third flag for the scheduler.
    pub const SCHED3: Self = Self(0x20);

    /// Whether all bits of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of a service in the table after a client sent `flags` for the bits in `mask`
    /// (`ip_vs_genl_parse_service`, then `ip_vs_add_service` or `ip_vs_edit_service`).
    pub(super) fn updated(self, flags: u32, mask: u32) -> Self {
        Self(self.0 & !mask | flags & mask | Self::HASHED.0)
    }
}

/// Which clients count as one for persistence: the 32 bits of the attribute, read in the machine's
/// byte order.
///
/// The kernel uses the attribute for two things: for an IPv4 service a mask in network byte order,
/// for an IPv6 service a prefix length in the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Netmask(pub u32);

impl Netmask {
    /// The IPv4 mask, for an IPv4 service. Any bits are allowed.
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from(self.0.to_ne_bytes())
    }

    /// The IPv6 prefix length, for an IPv6 service.
    pub fn prefix_length(self) -> u32 {
        self.0
    }

    /// Whether it is valid for a service of this family (`ip_vs_add_service`).
    pub(super) fn is_valid_for(self, family: Family) -> bool {
        match family {
            Family::Inet => true,
            Family::Inet6 => (1..=128).contains(&self.0),
        }
    }
}

impl From<Ipv4Addr> for Netmask {
    fn from(mask: Ipv4Addr) -> Self {
        Self(u32::from_ne_bytes(mask.octets()))
    }
}

/// The configuration that a client sends when it adds or edits a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Which service.
    pub key: ServiceKey,
    /// The scheduler's name as the client sent it, without its NUL.
    pub scheduler: Vec<u8>,
    /// The persistence engine's name as the client sent it, without its NUL. An empty name is the
    /// same as none.
    pub persistence_engine: Option<Vec<u8>>,
    /// Values for the flags in `mask` ([`ServiceFlags`]).
    pub flags: u32,
    /// The flags that are changed; the others are kept.
    pub mask: u32,
    /// How long a client is assigned to a destination, in seconds.
    pub timeout: u32,
    /// Which clients count as one.
    pub netmask: Netmask,
}

/// A virtual service of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub(super) id: ServiceId,
    pub(super) key: ServiceKey,
    /// The service's number among all that its table ever had.
    pub(super) number: ServiceNumber,
    pub(super) settings: Settings,
    pub(super) destinations: Destinations,
}

/// Numbers all services that a table ever had. Ids are reused, these numbers are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServiceNumber(pub(super) u64);

/// The fields that editing a service replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) scheduler: Scheduler,
    pub(super) persistence_engine: Option<PersistenceEngine>,
    pub(super) flags: ServiceFlags,
    pub(super) timeout_ticks: u32,
    pub(super) netmask: Netmask,
}

impl Service {
    /// The service's id.
    pub fn id(&self) -> ServiceId {
        self.id
    }

    /// The service's key.
    pub fn key(&self) -> &ServiceKey {
        &self.key
    }

    /// Its scheduler.
    pub fn scheduler(&self) -> Scheduler {
        self.settings.scheduler
    }

    /// Its persistence engine.
    pub fn persistence_engine(&self) -> Option<PersistenceEngine> {
        self.settings.persistence_engine
    }

    /// Its flags, including [`ServiceFlags::HASHED`].
    pub fn flags(&self) -> ServiceFlags {
        self.settings.flags
    }

    /// Whether clients are assigned to the same destination for a time.
    pub fn is_persistent(&self) -> bool {
        self.flags().contains(ServiceFlags::PERSISTENT)
    }

    /// How long a client is assigned to a destination, in whole seconds, as clients see it
    /// (`ip_vs_genl_fill_service`). This is the configured value, unless that was 2³²/250 or more.
    pub fn timeout(&self) -> u32 {
        self.settings.timeout_ticks / HZ
    }

    /// The same in jiffies, of which there are 250 per second.
    pub fn timeout_ticks(&self) -> u32 {
        self.settings.timeout_ticks
    }

    /// Which clients count as one.
    pub fn netmask(&self) -> Netmask {
        self.settings.netmask
    }

    /// Its destinations, newest first (the order of the kernel's list and its dump).
    pub fn destinations(
        &self,
    ) -> impl ExactSizeIterator<Item = &Destination> + DoubleEndedIterator {
        self.destinations.iter()
    }

    /// The destinations from an index on, to continue a dump.
    pub fn destinations_from(&self, index: usize) -> impl ExactSizeIterator<Item = &Destination> {
        self.destinations.iter_from(index)
    }

    /// The destination with this key (`ip_vs_lookup_dest`).
    pub fn destination(&self, key: &DestinationKey) -> Option<&Destination> {
        self.destinations
            .iter()
            .find(|destination| destination.key() == key)
    }

    /// The destination with this id.
    pub fn destination_of(&self, id: DestinationId) -> Option<&Destination> {
        self.destinations
            .iter()
            .find(|destination| destination.id() == id)
    }

    /// The position of the destination with this key in the list.
    pub(super) fn position(&self, key: &DestinationKey) -> Option<usize> {
        self.destinations
            .iter()
            .position(|destination| destination.key() == key)
    }

    /// Whether any destination is of another family (`mixed_address_family_dests`).
    pub(super) fn has_mixed_families(&self) -> bool {
        let family = self.key.family();
        self.destinations
            .iter()
            .any(|destination| destination.key().family() != family)
    }
}
