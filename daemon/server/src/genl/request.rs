//! Decodes a request's attributes to the table's types.
//!
//! The order of checks is the kernel's (`ip_vs_genl_parse_service`, `ip_vs_genl_parse_dest`,
//! `ip_vs_genl_new_daemon`). Any error inside a nested attribute is `EINVAL`.

use std::net::IpAddr;

use netlink_packet_ipvs::{
    Address,
    policy::{DaemonAttrs, DestinationAttrs, ServiceAttrs},
};

use super::error::RequestError;
use sockvs_ipvs::{
    DestinationKey, DestinationSpec, Family, ForwardingMethod, Netmask, ServiceKey, ServiceSpec,
    SyncDaemonSpec, TunnelInfo,
};

fn invalid(why: &'static str) -> RequestError {
    RequestError::new(libc::EINVAL, why)
}

/// Decodes a service attribute: the service's key, and the rest of the attributes.
pub(super) fn service_key<'a>(
    nest: Option<&'a [u8]>,
) -> Result<(ServiceKey, ServiceAttrs<'a>), RequestError> {
    let nest = nest.ok_or_else(|| invalid("no service given"))?;
    let attrs =
        ServiceAttrs::decode(nest).map_err(|error| inside("service", error.kind.message()))?;
    let incomplete = || invalid("the service has neither a firewall mark nor address and port");
    let family = attrs
        .af
        .ok_or_else(|| invalid("the service has no address family"))?;
    let located = match (attrs.fwmark, attrs.port, attrs.protocol, attrs.addr) {
        (Some(mark), ..) => Located::Mark(mark),
        (None, Some(port), Some(protocol), Some(addr)) => Located::At {
            protocol,
            addr,
            port,
        },
        _ => return Err(incomplete()),
    };
    let family = family_of(family.into())?;
    let key = match located {
        Located::Mark(mark) => ServiceKey::from_fwmark(family, mark),
        Located::At {
            protocol,
            addr,
            port,
        } => ServiceKey::Address {
            protocol,
            addr: address(family, addr),
            port,
        },
    };
    Ok((key, attrs))
}

enum Located {
    Mark(u32),
    At {
        protocol: u16,
        addr: Address,
        port: u16,
    },
}

/// Decodes a service attribute that has the whole configuration of a service.
pub(super) fn service(nest: Option<&[u8]>) -> Result<ServiceSpec, RequestError> {
    let (key, attrs) = service_key(nest)?;
    let (Some(scheduler), Some(flags), Some(timeout), Some(netmask)) =
        (attrs.sched_name, attrs.flags, attrs.timeout, attrs.netmask)
    else {
        return Err(invalid(
            "the service lacks a scheduler, flags, timeout or netmask",
        ));
    };
    Ok(ServiceSpec {
        key,
        scheduler: scheduler.to_vec(),
        persistence_engine: attrs.pe_name.map(<[u8]>::to_vec),
        flags: flags.flags,
        mask: flags.mask,
        timeout,
        netmask: Netmask(netmask),
    })
}

/// Decodes a destination attribute: the key of a destination of a service of this family, and the
/// rest.
pub(super) fn destination_key(
    nest: Option<&[u8]>,
    service: Family,
) -> Result<DestinationKey, RequestError> {
    parsed_destination(nest)?.key(service)
}

/// Decodes a destination attribute that has the whole configuration of a destination.
pub(super) fn destination(
    nest: Option<&[u8]>,
    service: Family,
) -> Result<DestinationSpec, RequestError> {
    let parsed = parsed_destination(nest)?;
    let attrs = parsed.attrs;
    let (Some(forwarding), Some(weight), Some(upper), Some(lower)) = (
        attrs.fwd_method,
        attrs.weight,
        attrs.u_thresh,
        attrs.l_thresh,
    ) else {
        return Err(invalid(
            "the destination lacks a forwarding method, weight or thresholds",
        ));
    };
    Ok(DestinationSpec {
        key: parsed.key(service)?,
        forwarding: ForwardingMethod::from_raw(forwarding),
        weight: weight.cast_signed(),
        upper_threshold: upper,
        lower_threshold: lower,
        tunnel: TunnelInfo {
            kind: attrs.tun_type.unwrap_or(0),
            port: attrs.tun_port.unwrap_or(0),
            flags: attrs.tun_flags.unwrap_or(0),
        },
    })
}

struct ParsedDestination {
    attrs: DestinationAttrs,
    addr: Address,
    port: u16,
}

impl ParsedDestination {
    fn key(&self, service: Family) -> Result<DestinationKey, RequestError> {
        // Old clients send no family; the destination then has that of its service.
        let family = match self.attrs.addr_family.map_or(0, u16::from) {
            0 => service,
            raw => family_of(raw)?,
        };
        Ok(DestinationKey {
            addr: address(family, self.addr),
            port: self.port,
        })
    }
}

fn parsed_destination(nest: Option<&[u8]>) -> Result<ParsedDestination, RequestError> {
    let nest = nest.ok_or_else(|| invalid("no destination given"))?;
    let attrs = DestinationAttrs::decode(nest)
        .map_err(|error| inside("destination", error.kind.message()))?;
    let (Some(addr), Some(port)) = (attrs.addr, attrs.port) else {
        return Err(invalid("the destination has no address or no port"));
    };
    Ok(ParsedDestination { attrs, addr, port })
}

/// Decodes a daemon attribute for starting a sync daemon.
pub(super) fn sync_daemon(nest: Option<&[u8]>) -> Result<SyncDaemonSpec, RequestError> {
    let attrs = daemon_attrs(nest)?;
    let (Some(state), Some(interface), Some(sync_id)) =
        (attrs.state, attrs.mcast_ifn, attrs.sync_id)
    else {
        return Err(invalid("the sync daemon lacks a state, interface or id"));
    };
    Ok(SyncDaemonSpec {
        state,
        interface: interface.to_vec(),
        sync_id,
        max_length: attrs.sync_maxlen.unwrap_or(0),
        group: attrs
            .mcast_group
            .map(IpAddr::from)
            .or_else(|| attrs.mcast_group6.map(IpAddr::from)),
        port: attrs.mcast_port.unwrap_or(0),
        ttl: attrs.mcast_ttl.unwrap_or(0),
    })
}

/// Decodes a daemon attribute for stopping a sync daemon: its state.
pub(super) fn sync_daemon_state(nest: Option<&[u8]>) -> Result<u32, RequestError> {
    daemon_attrs(nest)?
        .state
        .ok_or_else(|| invalid("no sync daemon state given"))
}

fn daemon_attrs(nest: Option<&[u8]>) -> Result<DaemonAttrs<'_>, RequestError> {
    let nest = nest.ok_or_else(|| invalid("no sync daemon given"))?;
    DaemonAttrs::decode(nest).map_err(|error| inside("sync daemon", error.kind.message()))
}

fn inside(what: &str, message: &str) -> RequestError {
    RequestError::new(libc::EINVAL, format!("the {what} is malformed: {message}"))
}

fn family_of(raw: u16) -> Result<Family, RequestError> {
    Family::from_raw(raw)
        .ok_or_else(|| RequestError::new(libc::EAFNOSUPPORT, format!("no address family {raw}")))
}

fn address(family: Family, address: Address) -> IpAddr {
    let octets = address.octets();
    match family {
        Family::Inet => {
            let [a, b, c, d, ..] = octets;
            IpAddr::from([a, b, c, d])
        }
        Family::Inet6 => IpAddr::from(octets),
    }
}
