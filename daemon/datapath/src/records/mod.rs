//! Converts between the table's types and the records in the maps, field by field. `publish`
//! decides where and when a record is written.

pub(crate) mod chunks;
pub(crate) mod live;

use std::{net::IpAddr, time::Duration};

use sockvs_ebpf_common::{
    AF_INET, AF_INET6, AddressWords, Destination as DestinationRecord, DestinationConfig, FTP_PORT,
    Globals, IPPROTO_TCP, OPTION_FALLBACK, OPTION_PORT, SCHED_EXPIRE_QUIESCENT, SCHED_FWMARK,
    SCHED_ONE_PACKET, SCHED_PERSISTENT, SchedParams, ServiceConfig, ServiceKey as RecordKey,
};

use crate::records::live::LiveService;
use crate::scheduler::{Server, Settings};
use sockvs_ipvs::{
    Destination, DestinationKey, DestinationSpec, Family, ForwardingMethod, Namespace, Netmask,
    PersistenceEngine, Service, ServiceFlags, ServiceKey, ServiceSpec, TunnelInfo,
};

/// An address in the form of the records.
pub(crate) fn address_words(address: IpAddr) -> AddressWords {
    match address {
        IpAddr::V4(address) => [u32::from_ne_bytes(address.octets()), 0, 0, 0],
        IpAddr::V6(address) => {
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(address.octets().as_chunks().0) {
                *word = u32::from_ne_bytes(*bytes);
            }
            words
        }
    }
}

/// An address family in the form of the records.
pub(crate) fn family(family: Family) -> u8 {
    match family {
        Family::Inet => AF_INET,
        Family::Inet6 => AF_INET6,
    }
}

/// The key by which connections find a service; `None` if there are no connections of its protocol.
pub(crate) fn lookup_key(ns: Namespace, key: &ServiceKey) -> Option<RecordKey> {
    let (address, port, protocol) = match *key {
        ServiceKey::Address {
            protocol,
            addr,
            port,
        } => {
            // Protocol zero stands for a firewall mark.
            let protocol = u8::try_from(protocol).ok().filter(|number| *number != 0)?;
            (address_words(addr), port.to_be(), protocol)
        }
        ServiceKey::Fwmark { mark, .. } => ([mark.get(), 0, 0, 0], 0, 0),
    };
    Some(RecordKey {
        netns: ns.0,
        address,
        port,
        protocol,
        family: family(key.family()),
        zero: 0,
    })
}

/// The kinds of this service among those that programs search for only if they exist.
pub(crate) fn rare(key: &RecordKey) -> Globals {
    Globals {
        all_ports: u32::from(key.port == 0 && key.protocol != 0),
        ftp: u32::from(u16::from_be(key.port) == FTP_PORT && key.protocol == IPPROTO_TCP),
    }
}

/// The scheduling parameters of a service. `expire_quiescent` is its namespace's sysctl
/// (`expire_quiescent_template`).
pub(crate) fn terms(service: &Service, expire_quiescent: bool) -> SchedParams {
    let has = |flag, term| {
        if service.flags().contains(flag) {
            term
        } else {
            0
        }
    };
    let mut flags = has(ServiceFlags::PERSISTENT, SCHED_PERSISTENT);
    flags |= has(ServiceFlags::ONE_PACKET, SCHED_ONE_PACKET);
    if service.key().fwmark().is_some() {
        flags |= SCHED_FWMARK;
    }
    let terms = SchedParams {
        flags,
        jiffies: service.timeout_ticks(),
        netmask: service.netmask().0,
    };
    with_expire_quiescent(terms, expire_quiescent)
}

/// These parameters with another value of that sysctl.
pub(crate) fn with_expire_quiescent(terms: SchedParams, expire_quiescent: bool) -> SchedParams {
    let others = terms.flags & !SCHED_EXPIRE_QUIESCENT;
    let flags = if expire_quiescent {
        others | SCHED_EXPIRE_QUIESCENT
    } else {
        others
    };
    SchedParams { flags, ..terms }
}

/// A duration in the programs' unit.
pub(crate) fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The key that is stored with the service for the next daemon; it equals `lookup_key` if there is
/// one.
pub(crate) fn stored_key(ns: Namespace, key: &ServiceKey) -> RecordKey {
    lookup_key(ns, key).unwrap_or_else(|| {
        let (address, port) = match *key {
            ServiceKey::Address { addr, port, .. } => (address_words(addr), port.to_be()),
            ServiceKey::Fwmark { mark, .. } => ([mark.get(), 0, 0, 0], 0),
        };
        RecordKey {
            netns: ns.0,
            address,
            port,
            protocol: 0,
            family: family(key.family()),
            zero: 0,
        }
    })
}

/// The settings of a service that its scheduler uses.
pub(crate) fn settings(service: &Service) -> Settings {
    let flags = service.flags();
    let mut options = 0;
    // The two schedulers that have options use the same flags for them (`ip_vs_sh.c`,
    // `ip_vs_mh.c`).
    if flags.contains(ServiceFlags::SCHED1) {
        options |= OPTION_FALLBACK;
    }
    if flags.contains(ServiceFlags::SCHED2) {
        options |= OPTION_PORT;
    }
    let address = match *service.key() {
        ServiceKey::Address { addr, .. } => folded(addr),
        ServiceKey::Fwmark { .. } => 0,
    };
    Settings {
        scheduler: service.scheduler(),
        options,
        address,
    }
}

/// A destination in the form that the scheduler uses.
pub(crate) fn server(destination: &Destination) -> Server {
    let key = destination.key();
    Server {
        id: destination.id(),
        weight: destination.weight(),
        last_weight: destination.last_weight(),
        hashed: folded(key.addr).wrapping_add(key.port.into()),
    }
}

/// An address folded to 32 bits, in host order, for the hashing schedulers.
fn folded(address: IpAddr) -> u32 {
    let [a, b, c, d] = address_words(address);
    u32::from_be(a ^ b ^ c ^ d)
}

/// A service's configuration, for the next daemon.
pub(crate) fn service_config(service: &Service) -> ServiceConfig {
    ServiceConfig {
        scheduler: name(service.scheduler().name().as_bytes()),
        persistence_engine: name(
            service
                .persistence_engine()
                .map(PersistenceEngine::name)
                .unwrap_or_default()
                .as_bytes(),
        ),
        flags: service.flags().0,
        timeout: service.timeout(),
        netmask: service.netmask().0,
    }
}

/// A destination's configuration.
pub(crate) fn destination_config(destination: &Destination) -> DestinationConfig {
    let tunnel = destination.tunnel();
    let [forwarding, ..] = destination.forwarding().to_raw().to_le_bytes();
    DestinationConfig {
        weight: destination.weight(),
        upper_threshold: destination.upper_threshold(),
        lower_threshold: destination.lower_threshold(),
        tunnel_port: tunnel.port,
        tunnel_flags: tunnel.flags,
        tunnel_kind: tunnel.kind,
        forwarding,
        zero: 0,
    }
}

/// The table's key of a record's service; `None` if the family is invalid: no daemon wrote the
/// record.
pub(crate) fn service_key(record: LiveService<'_>) -> Option<ServiceKey> {
    let (key, protocol) = (record.key(), record.protocol());
    let family = Family::from_raw(key.family.into())?;
    // A protocol number that no packet can carry does not fit the lookup key, either.
    let is_mark = key.protocol == 0 && (1..=u16::from(u8::MAX)).contains(&protocol);
    Some(if is_mark {
        ServiceKey::from_fwmark(family, key.address[0])
    } else {
        ServiceKey::Address {
            protocol,
            addr: ip_address(family, &key.address),
            port: u16::from_be(key.port),
        }
    })
}

/// The configuration of the record's service, as a client would send it; `None` as in
/// `service_key`.
pub(crate) fn service_spec(record: LiveService<'_>) -> Option<ServiceSpec> {
    let config = record.config();
    let engine = until_zero(&config.persistence_engine);
    Some(ServiceSpec {
        key: service_key(record)?,
        scheduler: until_zero(&config.scheduler).to_vec(),
        persistence_engine: (!engine.is_empty()).then(|| engine.to_vec()),
        flags: config.flags,
        mask: u32::MAX,
        timeout: config.timeout,
        netmask: Netmask(config.netmask),
    })
}

/// The configuration of this destination, as a client would send it; `None` as in `service_key`.
pub(crate) fn destination_spec(record: &DestinationRecord) -> Option<DestinationSpec> {
    let family = Family::from_raw(record.family.into())?;
    Some(DestinationSpec {
        key: DestinationKey {
            addr: ip_address(family, &record.address),
            port: u16::from_be(record.port),
        },
        forwarding: ForwardingMethod::from_raw(record.forwarding.into()),
        weight: record.weight,
        upper_threshold: record.upper_threshold,
        lower_threshold: record.lower_threshold,
        tunnel: TunnelInfo {
            kind: record.tunnel_kind,
            port: record.tunnel_port,
            flags: record.tunnel_flags,
        },
    })
}

/// The address in these words.
pub(crate) fn ip_address(family: Family, words: &AddressWords) -> IpAddr {
    let [a, b, c, d] = words.map(u32::to_ne_bytes);
    match family {
        Family::Inet => IpAddr::from(a),
        Family::Inet6 => {
            let mut octets = [0; 16];
            for (to, from) in octets.iter_mut().zip([a, b, c, d].as_flattened()) {
                *to = *from;
            }
            IpAddr::from(octets)
        }
    }
}

/// A name without the zeros that pad it.
pub(crate) fn until_zero(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A name, padded with zeros.
pub(crate) fn name<const LEN: usize>(name: &[u8]) -> [u8; LEN] {
    let mut padded = [0; LEN];
    for (to, from) in padded.iter_mut().zip(name) {
        *to = *from;
    }
    padded
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn addresses_are_in_memory_as_on_the_wire() {
        let v4 = address_words("10.1.2.3".parse().unwrap());
        assert_eq!(v4.map(u32::to_ne_bytes).concat()[..4], [10, 1, 2, 3]);
        let v6: Ipv6Addr = "2001:db8::1:2".parse().unwrap();
        let words = address_words(v6.into());
        assert_eq!(words.map(u32::to_ne_bytes).concat(), v6.octets());
        assert_eq!(ip_address(Family::Inet6, &words), v6);
    }

    #[test]
    fn a_service_without_connections_has_no_lookup_key() {
        let ns = Namespace(1);
        let addr = "10.0.0.1".parse().unwrap();
        let key = |protocol, port| ServiceKey::Address {
            protocol,
            addr,
            port,
        };
        assert!(lookup_key(ns, &key(6, 80)).is_some());
        assert!(lookup_key(ns, &key(6, 0)).is_some());
        assert!(lookup_key(ns, &key(0, 80)).is_none());
        assert!(lookup_key(ns, &key(262, 80)).is_none());
        let mark = lookup_key(ns, &ServiceKey::from_fwmark(Family::Inet, 7)).unwrap();
        assert_eq!((mark.address, mark.protocol), ([7, 0, 0, 0], 0));
    }
}
