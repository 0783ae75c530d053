//! Requests to the family that are almost right: about few services and few servers, so that they
//! meet each other, with now and then something left out, odd or damaged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::{Arbitrary, Result, Unstructured};
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader};
use netlink_packet_generic::{
    GenlHeader,
    constants::{CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, GENL_ID_CTRL},
};
use netlink_packet_ipvs::{
    Address, DaemonAttr, DestinationAttr, FAMILY_OPERATIONS, IpvsAttr, Name, ServiceAttr,
    ServiceFlags, writer::Writer,
};
use sockvs::{
    family::FAMILY_ID,
    ipvs::{Family, Scheduler},
};

/// A message.
#[derive(Arbitrary, Clone, Debug)]
pub enum Request {
    /// For the family.
    Family(Box<FamilyRequest>),
    /// For the controller.
    Controller {
        flags: Flags,
        command: Option<u8>,
        name: Option<bool>,
        id: Option<u16>,
        damage: Option<Damage>,
    },
    /// Any bytes.
    Bytes(Vec<u8>),
}

/// A message for the family.
#[derive(Arbitrary, Clone, Debug)]
pub struct FamilyRequest {
    command: Command,
    flags: Flags,
    service: Option<ServiceArgument>,
    destination: Option<DestinationArgument>,
    daemon: Option<DaemonArgument>,
    timeouts: [Option<Number>; 3],
    damage: Option<Damage>,
}

impl FamilyRequest {
    fn attributes(&self) -> Vec<IpvsAttr> {
        let mut attributes = Vec::new();
        let service = self.service.as_ref().map(ServiceArgument::attributes);
        attributes.extend(service.map(|nest| IpvsAttr::Service(nest.into())));
        let destination = self.destination.as_ref();
        let destination = destination.map(DestinationArgument::attributes);
        attributes.extend(destination.map(|nest| IpvsAttr::Dest(nest.into())));
        let daemon = self.daemon.as_ref().map(DaemonArgument::attributes);
        attributes.extend(daemon.map(|nest| IpvsAttr::Daemon(nest.into())));
        let kinds = [
            IpvsAttr::TimeoutTcp,
            IpvsAttr::TimeoutTcpFin,
            IpvsAttr::TimeoutUdp,
        ];
        for (timeout, kind) in self.timeouts.iter().zip(kinds) {
            attributes.extend(timeout.map(|timeout| kind(timeout.get())));
        }
        attributes
    }
}

/// A command's number, mostly one of a command that exists.
#[derive(Clone, Copy, Debug)]
pub struct Command(pub u8);

impl<'a> Arbitrary<'a> for Command {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let number = u8::arbitrary(u)?;
        let known = FAMILY_OPERATIONS.get(usize::from(number & 31));
        Ok(Self(match known {
            Some(operation) => operation.command.into(),
            None => number,
        }))
    }
}

/// The flags of a message.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Flags {
    ack: bool,
    dump: bool,
    others: Option<u16>,
}

impl Flags {
    fn bits(self) -> u16 {
        let ack = if self.ack { NLM_F_ACK } else { 0 };
        let dump = if self.dump { NLM_F_DUMP } else { 0 };
        (NLM_F_REQUEST | ack | dump) ^ self.others.unwrap_or(0)
    }
}

/// A number, mostly a small one.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Number {
    Small(u8),
    Any(u32),
}

impl Number {
    fn get(self) -> u32 {
        match self {
            Self::Small(number) => number.into(),
            Self::Any(number) => number,
        }
    }
}

/// An address: one of a few, or any.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Host {
    Known(u8),
    Any([u8; 16]),
}

impl Host {
    /// Those that the rules tell apart are among them.
    pub fn address(self, family: Family) -> IpAddr {
        const V4: [Ipv4Addr; 8] = [
            Ipv4Addr::new(10, 0, 0, 1),
            Ipv4Addr::new(10, 0, 0, 2),
            Ipv4Addr::new(10, 0, 0, 9),
            Ipv4Addr::new(10, 0, 0, 255),
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::BROADCAST,
            Ipv4Addr::new(224, 0, 0, 1),
            Ipv4Addr::LOCALHOST,
        ];
        const V6: [Ipv6Addr; 8] = [
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9),
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::UNSPECIFIED,
            Ipv6Addr::LOCALHOST,
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x0a00, 1),
        ];
        match (self, family) {
            (Self::Known(number), Family::Inet) => V4[usize::from(number % 8)].into(),
            (Self::Known(number), Family::Inet6) => V6[usize::from(number % 8)].into(),
            (Self::Any([a, b, c, d, ..]), Family::Inet) => Ipv4Addr::new(a, b, c, d).into(),
            (Self::Any(octets), Family::Inet6) => Ipv6Addr::from(octets).into(),
        }
    }
}

/// A port: none, that of FTP, a few others, or any.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Port {
    Known(u8),
    Any(u16),
}

impl Port {
    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::Known(number) => [0, 21, 80, 443][usize::from(number % 4)],
            Self::Any(number) => number,
        }
    }
}

/// Which service.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Which {
    At {
        protocol: u8,
        host: Host,
        port: Port,
    },
    Mark(Number),
}

/// What is said of a service.
#[derive(Arbitrary, Clone, Debug)]
pub struct ServiceArgument {
    inet6: bool,
    other_family: Option<u16>,
    which: Which,
    scheduler: u8,
    other_scheduler: Option<[u8; 18]>,
    engine: Option<bool>,
    flags: u32,
    mask: u32,
    timeout: Number,
    netmask: Option<Number>,
    /// The attribute that is not given.
    without: Option<u8>,
}

impl ServiceArgument {
    fn attributes(&self) -> Vec<ServiceAttr> {
        let family = if self.inet6 {
            Family::Inet6
        } else {
            Family::Inet
        };
        let number = self.other_family.unwrap_or(family.to_raw());
        let mut attributes = vec![ServiceAttr::Af(number.into())];
        match self.which {
            Which::At {
                protocol,
                host,
                port,
            } => attributes.extend([
                ServiceAttr::Protocol([6, 17, 132, 1][usize::from(protocol % 4)]),
                ServiceAttr::Addr(Address::from(host.address(family))),
                ServiceAttr::Port(port.number()),
            ]),
            Which::Mark(mark) => attributes.push(ServiceAttr::Fwmark(mark.get())),
        }
        let scheduler = match &self.other_scheduler {
            Some(bytes) => &bytes[..],
            None => {
                let known = usize::from(self.scheduler) % Scheduler::ALL.len();
                Scheduler::ALL[known].name().as_bytes()
            }
        };
        let (flags, mask) = (self.flags, self.mask);
        let usual = if self.inet6 { 128 } else { u32::MAX };
        attributes.extend([
            ServiceAttr::SchedName(Name::new(scheduler)),
            ServiceAttr::Flags(ServiceFlags { flags, mask }),
            ServiceAttr::Timeout(self.timeout.get()),
            ServiceAttr::Netmask(self.netmask.map_or(usual, Number::get)),
        ]);
        if let Some(known) = self.engine {
            let name = if known { "sip" } else { "nosuch" };
            attributes.push(ServiceAttr::PeName(name.into()));
        }
        leave_out(&mut attributes, self.without);
        attributes
    }
}

/// What is said of a destination.
#[derive(Arbitrary, Clone, Debug)]
pub struct DestinationArgument {
    inet6: bool,
    /// Old clients do not say.
    family: Option<Option<u16>>,
    host: Host,
    port: Port,
    method: Number,
    weight: Number,
    upper: Number,
    lower: Number,
    tunnel: Option<(u8, Port, u16)>,
    without: Option<u8>,
}

impl DestinationArgument {
    fn attributes(&self) -> Vec<DestinationAttr> {
        let family = if self.inet6 {
            Family::Inet6
        } else {
            Family::Inet
        };
        let mut attributes = vec![
            DestinationAttr::Addr(Address::from(self.host.address(family))),
            DestinationAttr::Port(self.port.number()),
            DestinationAttr::FwdMethod(self.method.get()),
            DestinationAttr::Weight(self.weight.get()),
            DestinationAttr::UThresh(self.upper.get()),
            DestinationAttr::LThresh(self.lower.get()),
        ];
        match self.family {
            None => attributes.push(DestinationAttr::AddrFamily(family.to_raw().into())),
            Some(None) => {}
            Some(Some(other)) => attributes.push(DestinationAttr::AddrFamily(other.into())),
        }
        if let Some((kind, port, flags)) = self.tunnel {
            attributes.extend([
                DestinationAttr::TunType(kind),
                DestinationAttr::TunPort(port.number()),
                DestinationAttr::TunFlags(flags),
            ]);
        }
        leave_out(&mut attributes, self.without);
        attributes
    }
}

/// What is said of a sync daemon.
#[derive(Arbitrary, Clone, Debug)]
pub struct DaemonArgument {
    state: Number,
    interface: u8,
    id: u32,
    longest: Option<u16>,
    group: Option<Host>,
    group6: Option<Host>,
    port: Option<u16>,
    ttl: Option<u8>,
    without: Option<u8>,
}

impl DaemonArgument {
    fn attributes(&self) -> Vec<DaemonAttr> {
        const INTERFACES: [&str; 6] = ["eth0", "lo", "jumbo", "small", "", "sixteenletters16"];
        let interface = INTERFACES[usize::from(self.interface) % INTERFACES.len()];
        let mut attributes = vec![
            DaemonAttr::State(self.state.get()),
            DaemonAttr::McastIfn(interface.into()),
            DaemonAttr::SyncId(self.id),
        ];
        attributes.extend(self.longest.map(DaemonAttr::SyncMaxlen));
        attributes.extend(self.port.map(DaemonAttr::McastPort));
        attributes.extend(self.ttl.map(DaemonAttr::McastTtl));
        for (host, family) in [(self.group, Family::Inet), (self.group6, Family::Inet6)] {
            attributes.extend(host.map(|host| match host.address(family) {
                IpAddr::V4(group) => DaemonAttr::McastGroup(group),
                IpAddr::V6(group) => DaemonAttr::McastGroup6(group),
            }));
        }
        leave_out(&mut attributes, self.without);
        attributes
    }
}

fn leave_out<A>(attributes: &mut Vec<A>, without: Option<u8>) {
    if let Some(number) = without {
        attributes.remove(usize::from(number) % attributes.len());
    }
}

/// What becomes of a message on its way.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Damage {
    /// A byte is another one.
    Byte { at: u16, xor: u8 },
    /// The end is missing, and the length says so.
    Cut { by: u8 },
    /// The length lies.
    Length(u32),
    /// Bytes follow inside the message.
    Tail([u8; 5]),
}

impl Damage {
    fn apply(self, message: &mut Vec<u8>) {
        match self {
            Self::Byte { at, xor } => {
                let at = usize::from(at) % message.len();
                message[at] ^= xor;
            }
            Self::Cut { by } => message.truncate(message.len().saturating_sub(by.into()).max(4)),
            Self::Length(length) => message[..4].copy_from_slice(&length.to_ne_bytes()),
            Self::Tail(bytes) => message.extend(bytes),
        }
        if let (Self::Cut { .. } | Self::Tail(_), Ok(length)) = (self, u32::try_from(message.len()))
        {
            message[..4].copy_from_slice(&length.to_ne_bytes());
        }
    }
}

impl Request {
    /// The bytes of it, padded so that another may follow.
    pub fn message(&self, sequence: u32) -> Vec<u8> {
        let mut message = Vec::new();
        let damage = match self {
            Self::Bytes(bytes) => return bytes.clone(),
            Self::Family(request) => {
                let header = header(FAMILY_ID, request.flags.bits(), sequence);
                let attributes = request.attributes();
                put(&mut message, header, request.command.0, |writer| {
                    writer.emit(&attributes.as_slice());
                });
                &request.damage
            }
            Self::Controller {
                flags,
                command,
                name,
                id,
                damage,
            } => {
                let header = header(GENL_ID_CTRL, flags.bits(), sequence);
                put(&mut message, header, command.unwrap_or(3), |writer| {
                    if let Some(ours) = name {
                        let name = if *ours { b"IPVS" } else { b"TASK" };
                        writer.put_string(CTRL_ATTR_FAMILY_NAME, name);
                    }
                    if let Some(id) = id {
                        writer.put_u16(CTRL_ATTR_FAMILY_ID, *id);
                    }
                });
                damage
            }
        };
        if let Some(damage) = damage {
            damage.apply(&mut message);
        }
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }
}

fn header(kind: u16, flags: u16, sequence: u32) -> NetlinkHeader {
    let mut header = NetlinkHeader::default();
    header.message_type = kind;
    header.flags = flags;
    header.sequence_number = sequence;
    header
}

/// Puts a message together.
pub fn put(
    message: &mut Vec<u8>,
    header: NetlinkHeader,
    command: u8,
    body: impl FnOnce(&mut Writer<'_>),
) {
    let genl = GenlHeader {
        cmd: command,
        version: 1,
    };
    Writer::new(message).message(header, genl, body);
}
