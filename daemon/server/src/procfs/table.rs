//! Services and servers (`ip_vs_info_seq_show`).

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr},
};

use sockvs_ipvs::{
    DataPath, Destination, DestinationReading, ForwardingMethod, Info, Service, ServiceFlags,
    ServiceKey, Table,
};

pub(super) fn text(table: &Table, path: &dyn DataPath) -> String {
    let mut text = heading(table.info());
    for service in table.services_from(0) {
        // Writing to a string cannot fail.
        let _ = line_of_service(&mut text, service);
        for destination in service.destinations() {
            let reading = table.destination_reading(destination, path);
            let _ = line_of_destination(&mut text, destination, reading);
        }
    }
    text
}

fn heading(info: Info) -> String {
    let [_, major, minor, patch] = info.version.to_be_bytes();
    let size = info.connection_table_size;
    format!(
        "IP Virtual Server version {major}.{minor}.{patch} (size={size})\n\
         Prot LocalAddress:Port Scheduler Flags\n  \
         -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
    )
}

fn line_of_service(text: &mut String, service: &Service) -> std::fmt::Result {
    let scheduler = service.scheduler().name();
    let one_packet = if service.flags().contains(ServiceFlags::ONE_PACKET) {
        "ops "
    } else {
        ""
    };
    match *service.key() {
        ServiceKey::Address {
            protocol,
            addr: IpAddr::V4(addr),
            port,
        } => {
            let (protocol, addr) = (name(protocol), addr.to_bits());
            write!(
                text,
                "{protocol}  {addr:08X}:{port:04X} {scheduler} {one_packet} "
            )?;
        }
        // The kernel omits the flag here.
        ServiceKey::Address {
            protocol,
            addr: IpAddr::V6(addr),
            port,
        } => {
            let (protocol, addr) = (name(protocol), groups(addr));
            write!(text, "{protocol}  [{addr}]:{port:04X} {scheduler} ")?;
        }
        ServiceKey::Fwmark { mark, .. } => {
            write!(text, "FWM  {mark:08X} {scheduler} {one_packet}")?;
        }
    }
    if service.is_persistent() {
        let ticks = service.timeout_ticks().cast_signed();
        let netmask = u32::from_be(service.netmask().0);
        writeln!(text, "persistent {ticks} {netmask:08X}")
    } else {
        writeln!(text)
    }
}

fn line_of_destination(
    text: &mut String,
    destination: &Destination,
    reading: DestinationReading,
) -> std::fmt::Result {
    let port = destination.key().port;
    match destination.key().addr {
        IpAddr::V4(addr) => write!(text, "  -> {:08X}:{port:04X}", addr.to_bits())?,
        IpAddr::V6(addr) => write!(text, "  -> [{}]:{port:04X}", groups(addr))?,
    }
    let forwarding = match destination.forwarding() {
        ForwardingMethod::LOCAL => "Local",
        ForwardingMethod::TUNNEL => "Tunnel",
        ForwardingMethod::DIRECT => "Route",
        _ => "Masq",
    };
    let weight = destination.weight();
    let (active, inactive) = (reading.active, reading.inactive);
    writeln!(
        text,
        "      {forwarding:<7} {weight:<6} {active:<10} {inactive:<10}"
    )
}

/// The kernel's name of a protocol (`ip_vs_proto_name`).
pub(super) fn name(protocol: u16) -> String {
    match protocol {
        0 => "IP".to_owned(),
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        132 => "SCTP".to_owned(),
        1 => "ICMP".to_owned(),
        58 => "ICMPv6".to_owned(),
        other => format!("IP_{other}"),
    }
}

/// An address with all leading zeros.
pub(super) fn groups(addr: Ipv6Addr) -> String {
    let groups = addr.segments().map(|group| format!("{group:04x}"));
    groups.join(":")
}
