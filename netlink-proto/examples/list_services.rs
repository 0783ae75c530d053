// SPDX-License-Identifier: GPL-2.0-only

//! Lists the services of IPVS and their destinations, much as `ipvsadm -Ln` does.
//!
//! ```sh
//! cargo run --example list_services
//! ```
//!
//! It needs `CAP_NET_ADMIN`, as all of IPVS does.

mod common;

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use common::{Client, Failure, exit_code, name, nest, sort};
use netlink_packet_core::NLM_F_ACK;
use netlink_packet_ipvs::{
    Address, AddressFamily, DestinationAttr, ForwardMethod, InfoAttr, IpvsAttr, IpvsCommand,
    IpvsMessage, IpvsPayload, ServiceAttr, ServiceFlags,
};

const HEADING: &str = "Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn";

fn main() -> ExitCode {
    exit_code("list_services", list())
}

fn list() -> Result<(), Failure> {
    let mut client = Client::open()?;
    let mut output = io::stdout().lock();
    let get_info = IpvsMessage::new(IpvsCommand::GetInfo, vec![]);
    for answer in client.ask(get_info, NLM_F_ACK)? {
        writeln!(output, "{}", version(&answer))?;
    }
    writeln!(output, "{HEADING}")?;
    let mut services = client.dump(IpvsCommand::GetService, vec![])?;
    sort(&mut services);
    for service in &services {
        let service = nest(service);
        let of_service = vec![IpvsAttr::Service(naming(service).into())];
        let destinations = client.dump(IpvsCommand::GetDest, of_service)?;
        write!(output, "{}", lines(service, &destinations))?;
    }
    Ok(())
}

/// The attributes by which IPVS identifies a service.
fn naming(service: &[ServiceAttr]) -> Vec<ServiceAttr> {
    let names = |attribute: &&ServiceAttr| {
        matches!(
            attribute,
            ServiceAttr::Af(_)
                | ServiceAttr::Fwmark(_)
                | ServiceAttr::Protocol(_)
                | ServiceAttr::Addr(_)
                | ServiceAttr::Port(_)
        )
    };
    service.iter().filter(names).cloned().collect()
}

/// The line of a service and those of its destinations, from the answers.
fn lines(service: &[ServiceAttr], answers: &[IpvsMessage]) -> String {
    let mut lines = service_line(service) + "\n";
    let mut destinations: Vec<_> = answers
        .iter()
        .map(|answer| Destination::new(answer, family(service)))
        .collect();
    destinations.sort_by_key(|destination| (destination.octets, destination.port));
    for destination in destinations {
        lines += &destination.line();
        lines += "\n";
    }
    lines
}

/// The first line: the version of IPVS and the size of its connection table.
fn version(answer: &IpvsMessage) -> String {
    let (mut version, mut size) = ([0; 4], 0);
    if let IpvsPayload::Info(attributes) = &answer.payload {
        for attribute in attributes {
            match attribute {
                InfoAttr::Version(number) => version = number.to_be_bytes(),
                InfoAttr::ConnTabSize(buckets) => size = *buckets,
                _ => {}
            }
        }
    }
    let [_, major, minor, patch] = version;
    format!("IP Virtual Server version {major}.{minor}.{patch} (size={size})")
}

fn family(service: &[ServiceAttr]) -> AddressFamily {
    let family = service.iter().find_map(|attribute| match attribute {
        ServiceAttr::Af(family) => Some(*family),
        _ => None,
    });
    family.unwrap_or(AddressFamily::Inet)
}

/// A service's name, its scheduler and its options.
fn service_line(service: &[ServiceAttr]) -> String {
    let (mut scheduler, mut engine) = (String::new(), String::new());
    let (mut flags, mut timeout, mut mask) = (0, 0, String::new());
    for attribute in service {
        match attribute {
            ServiceAttr::SchedName(name) => scheduler = name.to_string(),
            ServiceAttr::PeName(name) => engine = format!(" pe {name}"),
            ServiceAttr::Flags(both) => flags = both.flags,
            ServiceAttr::Timeout(seconds) => timeout = *seconds,
            ServiceAttr::Netmask(netmask) => mask = granularity(*netmask, family(service)),
            _ => {}
        }
    }
    let mut line = format!("{} {scheduler}", name(service));
    let of_scheduler = scheduler_flags(flags, &scheduler).join(",");
    if !of_scheduler.is_empty() {
        line += &format!(" ({of_scheduler})");
    }
    if flags & ServiceFlags::PERSISTENT != 0 {
        line += &format!(" persistent {timeout}{mask}{engine}");
    }
    if flags & ServiceFlags::ONE_PACKET != 0 {
        line += " ops";
    }
    line
}

/// The part of a client's address that is used, unless all of it is.
fn granularity(netmask: u32, family: AddressFamily) -> String {
    match family {
        AddressFamily::Inet6 if netmask != 128 => format!(" mask {netmask}"),
        AddressFamily::Inet if netmask != u32::MAX => {
            format!(" mask {}", Ipv4Addr::from(netmask.to_ne_bytes()))
        }
        _ => String::new(),
    }
}

/// Each scheduler defines its own meaning of the flags.
fn scheduler_flags(flags: u32, scheduler: &str) -> Vec<&'static str> {
    let names = match scheduler {
        "sh" => ["sh-fallback", "sh-port", "flag-3"],
        "mh" => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    let bits = [
        ServiceFlags::SCHED1,
        ServiceFlags::SCHED2,
        ServiceFlags::SCHED3,
    ];
    let set = bits.iter().zip(names).filter(|(bit, _)| flags & **bit != 0);
    set.map(|(_, name)| name).collect()
}

/// The columns of a destination.
struct Destination {
    family: AddressFamily,
    octets: [u8; 16],
    port: u16,
    method: u32,
    weight: u32,
    active: u32,
    inactive: u32,
}

impl Destination {
    /// From an answer to a dump. A kernel before Linux 3.18 does not send the address family: it is
    /// the service's.
    fn new(answer: &IpvsMessage, family: AddressFamily) -> Self {
        let mut destination = Self {
            family,
            octets: [0; 16],
            port: 0,
            method: 0,
            weight: 0,
            active: 0,
            inactive: 0,
        };
        let nests = answer
            .attributes()
            .iter()
            .filter_map(|attribute| match attribute {
                IpvsAttr::Dest(nest) => Some(nest.as_slice()),
                _ => None,
            });
        for attribute in nests.flatten() {
            match attribute {
                DestinationAttr::AddrFamily(family) => destination.family = *family,
                DestinationAttr::Addr(address) => destination.octets = address.octets(),
                DestinationAttr::Port(port) => destination.port = *port,
                DestinationAttr::FwdMethod(method) => destination.method = *method,
                DestinationAttr::Weight(weight) => destination.weight = *weight,
                DestinationAttr::ActiveConns(number) => destination.active = *number,
                DestinationAttr::InactConns(number) => destination.inactive = *number,
                _ => {}
            }
        }
        destination
    }

    fn line(&self) -> String {
        let address = Address::new(self.octets).to_ip(self.family);
        let address = address.map(|address| SocketAddr::new(address, self.port).to_string());
        let method = match ForwardMethod::from_masked(self.method) {
            ForwardMethod::Masq => "Masq",
            ForwardMethod::Local => "Local",
            ForwardMethod::Tunnel => "Tunnel",
            ForwardMethod::Route => "Route",
            _ => "?",
        };
        format!(
            "  -> {:<28} {method:<7} {:<6} {:<10} {:<10}",
            address.unwrap_or("?".to_owned()),
            self.weight,
            self.active,
            self.inactive
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::client::take;

    /// The answers in a captured datagram to its own sequence number.
    fn captured(text: &str) -> Vec<IpvsMessage> {
        let digits = text.lines().filter(|line| !line.starts_with('#'));
        let datagram: Vec<u8> = digits
            .flat_map(str::split_whitespace)
            .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal bytes"))
            .collect();
        let sequence = datagram[8..12].try_into().expect("a netlink header");
        let mut answers = Vec::new();
        take(&datagram, u32::from_ne_bytes(sequence), &mut answers).expect("answers");
        answers
    }

    /// The real ipvsadm 1.31 was given the same datagrams, and printed these lines.
    #[test]
    #[cfg(target_endian = "little")]
    fn lists_what_was_captured_as_ipvsadm_does() {
        let mut services = captured(include_str!(
            "../tests/data/netlink/get-service-dump.reply.hex"
        ));
        sort(&mut services);
        let mut listed = String::new();
        for service in &services {
            let service = nest(service);
            let destinations = match name(service).as_str() {
                "TCP  10.0.0.1:80" => {
                    include_str!("../tests/data/netlink/get-dest-dump-v4.reply.hex")
                }
                "TCP  [2001:db8::1]:443" => {
                    include_str!("../tests/data/netlink/get-dest-dump-v6.reply.hex")
                }
                "UDP  10.0.0.4:53" => {
                    include_str!("../tests/data/netlink/get-dest-dump-counted.reply.hex")
                }
                _ => {
                    listed += &lines(service, &[]);
                    continue;
                }
            };
            listed += &lines(service, &captured(destinations));
        }
        let expected = "\
TCP  10.0.0.1:80 sh
  -> 10.1.0.11:8080               Masq    7      0          0
  -> 10.1.0.12:80                 Route   2      0          0
  -> 10.1.0.13:80                 Tunnel  1      0          0
  -> 10.1.0.14:80                 Tunnel  1      0          0
  -> 10.1.0.15:80                 Tunnel  1      0          0
  -> [2001:db8::13]:80            Tunnel  5      0          0
TCP  10.0.0.2:8443 rr persistent 600 mask 255.255.255.0
TCP  10.0.0.5:80 sh (sh-fallback,sh-port)
UDP  10.0.0.3:5060 rr persistent 120 mask 255.255.0.0 pe sip
UDP  10.0.0.4:53 rr ops
  -> 10.1.0.11:53                 Masq    9      0          12
TCP  [2001:db8::1]:443 rr
  -> [2001:db8::11]:8443          Masq    1      0          0
TCP  [2001:db8::2]:80 rr persistent 300 mask 64
FWM  7 wlc
FWM  8 IPv6 rr";
        for (line, expected) in listed.lines().zip(expected.lines()) {
            assert_eq!(line.trim_end(), expected);
        }
        assert_eq!(listed.lines().count(), expected.lines().count());
        let info = captured(include_str!("../tests/data/netlink/get-info.reply.hex"));
        let heading = "IP Virtual Server version 1.2.1 (size=4096)";
        assert_eq!(version(&info[0]), heading);
    }
}
