//! Decodes arguments of socket options to the table's types. Each structure is read once and as a
//! whole; one that is too short is rejected.

use std::net::Ipv4Addr;

use super::field::{Fields, Text};
use sockvs_ipvs::{
    DestinationKey, DestinationSpec, Family, ForwardingMethod, Netmask, ServiceKey, ServiceSpec,
    SyncDaemonSpec, TimeoutsUpdate, TunnelInfo,
};

/// The size of `struct ip_vs_service_user`.
pub(super) const SERVICE: usize = 44;
/// The size of `struct ip_vs_dest_user`.
pub(super) const DESTINATION: usize = 24;
/// The size of `struct ip_vs_timeout_user`.
pub(super) const TIMEOUTS: usize = 12;
/// The size of `struct ip_vs_daemon_user`.
pub(super) const DAEMON: usize = 24;
/// The size of the header of `struct ip_vs_get_services`.
pub(super) const SERVICES: usize = 8;
/// The size of the header of `struct ip_vs_get_dests`.
pub(super) const DESTINATIONS: usize = 24;
/// The size of the field for a scheduler's or an interface's name (`IP_VS_SCHEDNAME_MAXLEN`,
/// `IP_VS_IFNAME_MAXLEN`).
pub(super) const NAME: usize = 16;

/// The service that four of the structures begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Which {
    pub(super) protocol: u16,
    addr: Ipv4Addr,
    port: u16,
    fwmark: u32,
}

impl Which {
    pub(super) fn read(argument: &[u8]) -> Option<Self> {
        Self::take(&mut Fields::of(argument))
    }

    fn take(fields: &mut Fields<'_>) -> Option<Self> {
        let protocol = fields.u16()?;
        fields.padding::<2>()?;
        let (addr, port) = (fields.address()?, fields.port()?);
        fields.padding::<2>()?;
        Some(Self {
            protocol,
            addr,
            port,
            fwmark: fields.u32()?,
        })
    }

    /// The service's key. A firewall mark takes precedence over an address.
    pub(super) fn key(self) -> ServiceKey {
        let Self {
            protocol,
            addr,
            port,
            fwmark,
        } = self;
        match fwmark {
            0 => ServiceKey::Address {
                protocol,
                addr: addr.into(),
                port,
            },
            mark => ServiceKey::from_fwmark(Family::Inet, mark),
        }
    }

    /// Whether it names no service, which stands for all services.
    pub(super) fn is_blank(self) -> bool {
        self.fwmark == 0 && self.addr.is_unspecified() && self.port == 0
    }
}

/// `struct ip_vs_service_user`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceArgument {
    pub(super) which: Which,
    pub(super) scheduler: Text,
    flags: u32,
    timeout: u32,
    netmask: Netmask,
}

impl ServiceArgument {
    pub(super) fn read(argument: &[u8]) -> Option<Self> {
        let mut fields = Fields::of(argument);
        Some(Self {
            which: Which::take(&mut fields)?,
            scheduler: fields.text::<NAME>()?,
            flags: fields.u32()?,
            timeout: fields.u32()?,
            netmask: Netmask(fields.u32()?),
        })
    }

    /// The whole configuration of the service, with this scheduler. All its flags are set
    /// explicitly.
    pub(super) fn spec(&self, scheduler: Vec<u8>) -> ServiceSpec {
        ServiceSpec {
            key: self.which.key(),
            scheduler,
            persistence_engine: None,
            flags: self.flags,
            mask: u32::MAX,
            timeout: self.timeout,
            netmask: self.netmask,
        }
    }
}

/// Reads the `struct ip_vs_dest_user` that follows a `struct ip_vs_service_user`.
pub(super) fn destination(argument: &[u8]) -> Option<DestinationSpec> {
    let mut fields = Fields::of(argument.get(SERVICE..)?);
    let (addr, port) = (fields.address()?, fields.port()?);
    fields.padding::<2>()?;
    Some(DestinationSpec {
        key: DestinationKey {
            addr: addr.into(),
            port,
        },
        forwarding: ForwardingMethod::from_raw(fields.u32()?),
        weight: fields.u32()?.cast_signed(),
        upper_threshold: fields.u32()?,
        lower_threshold: fields.u32()?,
        tunnel: TunnelInfo::default(),
    })
}

/// `struct ip_vs_timeout_user`. Its fields are signed; a negative one is too large as an unsigned
/// number, and so is rejected as well.
pub(super) fn timeouts(argument: &[u8]) -> Option<TimeoutsUpdate> {
    let mut fields = Fields::of(argument);
    Some(TimeoutsUpdate {
        tcp: Some(fields.u32()?),
        tcp_fin: Some(fields.u32()?),
        udp: Some(fields.u32()?),
    })
}

/// `struct ip_vs_daemon_user`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DaemonArgument {
    pub(super) state: u32,
    pub(super) interface: Text,
    sync_id: u32,
}

impl DaemonArgument {
    pub(super) fn read(argument: &[u8]) -> Option<Self> {
        let mut fields = Fields::of(argument);
        Some(Self {
            state: fields.u32()?,
            interface: fields.text::<NAME>()?,
            sync_id: fields.u32()?,
        })
    }

    /// The whole configuration of the daemon, on this interface; options that the structure has no
    /// field for get their defaults.
    pub(super) fn spec(&self, interface: Vec<u8>) -> SyncDaemonSpec {
        SyncDaemonSpec {
            state: self.state,
            interface,
            sync_id: self.sync_id,
            max_length: 0,
            group: None,
            port: 0,
            ttl: 0,
        }
    }
}

/// How many services the caller's memory has room for (`struct ip_vs_get_services`).
pub(super) fn services(argument: &[u8]) -> Option<u32> {
    Fields::of(argument).u32()
}

/// The service whose servers are requested, and how many servers the caller's memory has room for
/// (`struct ip_vs_get_dests`).
pub(super) fn destinations(argument: &[u8]) -> Option<(Which, u32)> {
    let mut fields = Fields::of(argument);
    Some((Which::take(&mut fields)?, fields.u32()?))
}
