//! Requests to the family that are almost right: about few services and few servers, so that they
//! meet each other, with now and then something left out, odd or damaged.

mod daemon;
mod damage;
mod destination;
mod place;
mod service;

use arbitrary::{Arbitrary, Result, Unstructured};
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader};
use netlink_packet_generic::{
    GenlHeader,
    constants::{CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, GENL_ID_CTRL},
};
use netlink_packet_ipvs::{FAMILY_OPERATIONS, IpvsAttr, writer::Writer};
use sockvs_ipvs::Family;
use sockvs_server::genl::FAMILY_ID;

pub use self::place::{Host, Port};
use self::{
    daemon::DaemonArgument, damage::Damage, destination::DestinationArgument,
    service::ServiceArgument,
};
use crate::rare::{Rare, Usual};

/// A message, mostly for the family.
#[derive(Clone, Debug)]
pub enum Request {
    /// For the family.
    Family(Box<FamilyRequest>),
    /// For the controller.
    Controller(ControllerRequest),
    /// Any bytes.
    Bytes(Vec<u8>),
}

impl<'a> Arbitrary<'a> for Request {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u8::arbitrary(u)? {
            0..0xe0 => Self::Family(Arbitrary::arbitrary(u)?),
            0xe0..0xf0 => Self::Controller(Arbitrary::arbitrary(u)?),
            0xf0.. => Self::Bytes(Arbitrary::arbitrary(u)?),
        })
    }
}

/// A message for the controller.
#[derive(Arbitrary, Clone, Debug)]
pub struct ControllerRequest {
    flags: Flags,
    command: Rare<u8>,
    name: Option<bool>,
    id: Option<u16>,
    damage: Rare<Damage>,
}

/// A message for the family.
#[derive(Clone, Debug)]
pub struct FamilyRequest {
    command: Command,
    flags: Flags,
    service: Option<ServiceArgument>,
    destination: Option<DestinationArgument>,
    daemon: Option<DaemonArgument>,
    timeouts: [Option<Usual<u32>>; 3],
    damage: Rare<Damage>,
}

impl<'a> Arbitrary<'a> for FamilyRequest {
    /// It has what its command asks for, and rarely something else.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let command = Command::arbitrary(u)?;
        let flags = Flags::arbitrary(u)?;
        let odd = Rare::<u8>::arbitrary(u)?.0.unwrap_or(0);
        let bit = |number: u8| odd >> number & 1 != 0;
        let (service, destination, daemon, timeouts) = match command.0 {
            1..=4 | 8 | 16 => (true, false, false, false),
            5..=7 => (true, true, false, false),
            9 | 10 => (false, false, true, false),
            12 => (false, false, false, true),
            _ => (false, false, false, false),
        };
        let mut request = Self {
            command,
            flags,
            service: None,
            destination: None,
            daemon: None,
            timeouts: [None; 3],
            damage: Rare::arbitrary(u)?,
        };
        if service != bit(0) {
            request.service = Some(Arbitrary::arbitrary(u)?);
        }
        if destination != bit(1) {
            request.destination = Some(Arbitrary::arbitrary(u)?);
        }
        if daemon != bit(2) {
            request.daemon = Some(Arbitrary::arbitrary(u)?);
        }
        if timeouts != bit(3) {
            request.timeouts = Arbitrary::arbitrary(u)?;
        }
        Ok(request)
    }
}

impl FamilyRequest {
    fn attributes(&self) -> Vec<IpvsAttr> {
        let mut attributes = Vec::new();
        let service = self.service.as_ref();
        let family = service.map_or(Family::Inet, ServiceArgument::family);
        let service = service.map(ServiceArgument::attributes);
        attributes.extend(service.map(|nest| IpvsAttr::Service(nest.into())));
        let destination = self.destination.as_ref();
        let destination = destination.map(|destination| destination.attributes(family));
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
    dump: Rare<()>,
    others: Rare<u16>,
}

impl Flags {
    fn bits(self) -> u16 {
        let ack = if self.ack { NLM_F_ACK } else { 0 };
        let dump = if self.dump.is_there() { NLM_F_DUMP } else { 0 };
        (NLM_F_REQUEST | ack | dump) ^ self.others.0.unwrap_or(0)
    }
}

fn leave_out<A>(attributes: &mut Vec<A>, without: Option<u8>) {
    if let Some(number) = without {
        attributes.remove(usize::from(number) % attributes.len());
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
            Self::Controller(request) => {
                let header = header(GENL_ID_CTRL, request.flags.bits(), sequence);
                let command = request.command.0.unwrap_or(3);
                put(&mut message, header, command, |writer| {
                    if let Some(ours) = request.name {
                        let name = if ours { b"IPVS" } else { b"TASK" };
                        writer.put_string(CTRL_ATTR_FAMILY_NAME, name);
                    }
                    if let Some(id) = request.id {
                        writer.put_u16(CTRL_ATTR_FAMILY_ID, id);
                    }
                });
                &request.damage
            }
        };
        if let Some(damage) = damage.0 {
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
