// SPDX-License-Identifier: GPL-2.0-only

//! Services in the answers to a dump: their attributes, their order and their names.

use std::net::SocketAddr;

use netlink_packet_ipvs::{AddressFamily, IpvsAttr, IpvsMessage, ServiceAttr};

/// The key of a service, in the order in which ipvsadm sorts: firewall mark (0 for an address),
/// address family, protocol, address and port.
type Key = (u32, u16, u16, [u8; 16], u16);

/// The attributes of the service in an answer; empty if there is no service in it.
pub(crate) fn nest(answer: &IpvsMessage) -> &[ServiceAttr] {
    answer
        .attributes()
        .iter()
        .find_map(|attribute| match attribute {
            IpvsAttr::Service(nest) => Some(nest.as_slice()),
            _ => None,
        })
        .unwrap_or_default()
}

/// Sorts services like ipvsadm: the kernel sends them in the order of a hash.
pub(crate) fn sort(services: &mut [IpvsMessage]) {
    services.sort_by_cached_key(|service| key(nest(service)));
}

/// A service's name in ipvsadm: `TCP  192.0.2.1:80`, or `FWM  7` for a firewall mark.
pub(crate) fn name(service: &[ServiceAttr]) -> String {
    let (fwmark, family, protocol, octets, port) = key(service);
    let family = AddressFamily::from(family);
    if fwmark != 0 {
        let family = if family == AddressFamily::Inet6 {
            " IPv6"
        } else {
            ""
        };
        return format!("FWM  {fwmark}{family}");
    }
    let protocol = match protocol {
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        132 => "SCTP".to_owned(),
        other => other.to_string(),
    };
    let address = netlink_packet_ipvs::Address::new(octets).to_ip(family);
    match address {
        Some(address) => format!("{protocol:<4} {}", SocketAddr::new(address, port)),
        None => format!("{protocol:<4} ?:{port}"),
    }
}

fn key(service: &[ServiceAttr]) -> Key {
    let mut key = Key::default();
    for attribute in service {
        match attribute {
            ServiceAttr::Fwmark(fwmark) => key.0 = *fwmark,
            ServiceAttr::Af(family) => key.1 = (*family).into(),
            ServiceAttr::Protocol(protocol) => key.2 = *protocol,
            ServiceAttr::Addr(address) => key.3 = address.octets(),
            ServiceAttr::Port(port) => key.4 = *port,
            _ => {}
        }
    }
    key
}
