//! What callers say, in the table's types. Each structure is read once, whole, and believed
//! nothing: what is too short is none.

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
/// The size of `struct ip_vs_get_services`, without the services.
pub(super) const SERVICES: usize = 8;
/// The size of `struct ip_vs_get_dests`, without the servers.
pub(super) const DESTINATIONS: usize = 24;
/// The room for a scheduler's name, or an interface's (`IP_VS_SCHEDNAME_MAXLEN`,
/// `IP_VS_IFNAME_MAXLEN`).
pub(super) const NAME: usize = 16;

/// Which service: how four of the structures begin.
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

    /// The service's key. A firewall mark goes before an address.
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

    /// Whether it names no service, which stands for all.
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

    /// Everything about the service, with this scheduler. All its flags are given.
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

/// `struct ip_vs_timeout_user`. Its numbers have a sign; a negative one is too large without it,
/// and so refused all the same.
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

    /// Everything about the daemon, on this interface; what the structure has no field for is the
    /// default.
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

/// How many services there is room for (`struct ip_vs_get_services`).
pub(super) fn services(argument: &[u8]) -> Option<u32> {
    Fields::of(argument).u32()
}

/// Whose servers are wanted, and how many there is room for (`struct ip_vs_get_dests`).
pub(super) fn destinations(argument: &[u8]) -> Option<(Which, u32)> {
    let mut fields = Fields::of(argument);
    Some((Which::take(&mut fields)?, fields.u32()?))
}
