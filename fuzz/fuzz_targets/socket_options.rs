//! Calls of `setsockopt` and `getsockopt` with the structures of libipvs, almost right.

#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use sockvs_fuzz::{
    bench::{Bench, Event, NAMESPACES},
    rare::{Rare, Usual},
    request::{Host, Port},
};
use sockvs_ipvs::{Family, Owner, Scheduler, Table, fake::FakeHost};
use sockvs_server::sockopt::{BASE, Call, Caller, Direction, Value, argument_length, carry_out};

/// `IP_VS_SO_GET_INFO`, `IP_VS_SO_GET_SERVICES`, `IP_VS_SO_GET_DESTS`.
const GET_INFO: i32 = BASE + 1;
const GET_SERVICES: i32 = BASE + 2;
const GET_DESTINATIONS: i32 = BASE + 4;
/// The sizes of their entries and of what stands before them.
const SERVICES_HEADER: usize = 8;
const SERVICE_ENTRY: usize = 104;

#[derive(Arbitrary, Debug)]
enum Step {
    Ask(Ask),
    Event(Event),
}

/// A call.
#[derive(Debug)]
struct Ask {
    get: bool,
    number: i32,
    argument: Argument,
    /// What the caller says the length is, if it lies.
    length: Rare<i32>,
    /// How many entries there is room for.
    room: u8,
    unreadable: Rare<()>,
    unprivileged: Rare<()>,
}

impl<'a> Arbitrary<'a> for Ask {
    /// The argument is mostly one that the option takes.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let get = bool::arbitrary(u)?;
        let number = match Usual::arbitrary(u)? {
            Usual::Known(option) => BASE + i32::from(option % 17),
            Usual::Any(number) => number,
        };
        let argument = match (get, number.wrapping_sub(BASE)) {
            _ if Rare::<()>::arbitrary(u)?.is_there() => Argument::Bytes(Arbitrary::arbitrary(u)?),
            (false, 10) => Argument::Timeouts(Arbitrary::arbitrary(u)?),
            (false, 11 | 12) => Argument::Daemon(Arbitrary::arbitrary(u)?),
            _ => Argument::Service(Arbitrary::arbitrary(u)?, Arbitrary::arbitrary(u)?),
        };
        Ok(Self {
            get,
            number,
            argument,
            length: Arbitrary::arbitrary(u)?,
            room: Arbitrary::arbitrary(u)?,
            unreadable: Arbitrary::arbitrary(u)?,
            unprivileged: Arbitrary::arbitrary(u)?,
        })
    }
}

#[derive(Debug)]
enum Argument {
    /// Most structures begin with a service, and a server may follow.
    Service(Service, Server),
    Daemon(Daemon),
    Timeouts([Usual<u32>; 3]),
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Service {
    protocol: u8,
    other_protocol: Rare<u16>,
    host: Host,
    port: Port,
    mark: Option<u8>,
    scheduler: u8,
    other_scheduler: Rare<[u8; 16]>,
    flags: u32,
    timeout: u32,
    netmask: u32,
}

#[derive(Arbitrary, Debug)]
struct Daemon {
    state: u8,
    other_name: Rare<[u8; 16]>,
    id: u32,
}

#[derive(Arbitrary, Debug)]
struct Server {
    host: Host,
    port: Port,
    flags: u32,
    weight: Usual<u32>,
    upper: Usual<u32>,
    lower: Rare<u16>,
}

impl Service {
    fn write(&self, bytes: &mut Vec<u8>) {
        let protocol = [6_u16, 17, 132][usize::from(self.protocol % 3)];
        bytes.extend(self.other_protocol.0.unwrap_or(protocol).to_ne_bytes());
        bytes.extend([0xee; 2]);
        write_place(bytes, self.host, self.port);
        bytes.extend(self.mark.map_or(0, u32::from).to_ne_bytes());
        let known = Scheduler::ALL[usize::from(self.scheduler) % Scheduler::ALL.len()];
        let mut name = [0; 16];
        name[..known.name().len()].copy_from_slice(known.name().as_bytes());
        bytes.extend(self.other_scheduler.0.unwrap_or(name));
        for number in [self.flags, self.timeout, self.netmask] {
            bytes.extend(number.to_ne_bytes());
        }
    }
}

impl Server {
    fn write(&self, bytes: &mut Vec<u8>) {
        write_place(bytes, self.host, self.port);
        bytes.extend(self.flags.to_ne_bytes());
        bytes.extend(self.weight.get().to_ne_bytes());
        bytes.extend(self.upper.get().to_ne_bytes());
        bytes.extend(u32::from(self.lower.0.unwrap_or(0)).to_ne_bytes());
    }
}

/// An address, a port, and what pads it.
fn write_place(bytes: &mut Vec<u8>, host: Host, port: Port) {
    if let std::net::IpAddr::V4(address) = host.address(Family::Inet) {
        bytes.extend(address.octets());
    }
    bytes.extend(port.number().to_be_bytes());
    bytes.extend([0xee; 2]);
}

impl Argument {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Service(service, server) => {
                service.write(&mut bytes);
                server.write(&mut bytes);
            }
            Self::Daemon(daemon) => {
                bytes.extend(u32::from(daemon.state % 4).to_ne_bytes());
                bytes.extend(daemon.other_name.0.unwrap_or(*b"eth0\0garbagehere"));
                bytes.extend(daemon.id.to_ne_bytes());
            }
            Self::Timeouts(timeouts) => {
                bytes.extend(timeouts.iter().flat_map(|one| one.get().to_ne_bytes()));
            }
            Self::Bytes(given) => bytes.clone_from(given),
        }
        bytes
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let mut bench = Bench::default();
    for step in steps {
        let (call, net_admin) = match step {
            Step::Event(event) => {
                bench.happen(event);
                continue;
            }
            Step::Ask(Ask {
                get,
                number,
                argument,
                length,
                room,
                unreadable,
                unprivileged,
            }) => {
                let direction = if get { Direction::Get } else { Direction::Set };
                let mut argument = argument.bytes();
                let needed = argument_length(direction, number);
                argument.resize(needed, 0);
                let exact = if get {
                    wanted(number, &mut argument, room)
                } else {
                    argument.len()
                };
                let exact = i32::try_from(exact).unwrap_or(i32::MAX);
                let call = Call {
                    direction,
                    number,
                    length: length.0.unwrap_or(exact),
                    argument: Some(argument).filter(|_| !unreadable.is_there()),
                };
                (call, !unprivileged.is_there())
            }
        };
        let before = bench.snapshot();
        let told = bench.path.lock().told;
        let answer = ask(&bench, &call, net_admin);
        bench.check();
        let after = bench.snapshot();
        match &answer {
            Ok(value) if call.direction == Direction::Get => fits(&call, value),
            Ok(value) => assert_eq!(*value, Value::default()),
            Err(errno) => assert!((1..134).contains(errno), "{errno} is an error's number"),
        }
        if answer.is_err() || call.direction == Direction::Get || !net_admin {
            assert_eq!(before, after, "{call:?} changes nothing");
            assert_eq!(bench.path.lock().told, told, "{call:?} is not published");
        } else {
            listed(&bench);
        }
        assert_eq!(before[1], after[1], "the other namespace");
    }
});

/// How long the memory of a `getsockopt` is, with room for so many entries where it gives a list.
fn wanted(number: i32, argument: &mut [u8], room: u8) -> usize {
    let (at, header, entry) = match number {
        GET_SERVICES => (0, SERVICES_HEADER, SERVICE_ENTRY),
        GET_DESTINATIONS => (16, 24, 96),
        _ => return argument.len(),
    };
    argument[at..at + 4].copy_from_slice(&u32::from(room).to_ne_bytes());
    header + entry * usize::from(room)
}

fn ask(bench: &Bench, call: &Call, net_admin: bool) -> std::result::Result<Value, i32> {
    let caller = Caller {
        namespace: NAMESPACES[0],
        owner: Owner::Host,
        host: &FakeHost,
        pid: 0,
        net_admin,
    };
    carry_out(&bench.state, &caller, call)
}

/// Nothing is written beyond the memory that the caller has.
fn fits(call: &Call, value: &Value) {
    let memory = usize::try_from(call.length).expect("a length that was taken is none below zero");
    assert!(value.bytes.len() <= memory, "{call:?}: {value:?}");
    assert!(
        value.length >= 0 && value.length <= call.length,
        "{value:?}"
    );
}

/// The list of services has all that the structures can say, in the table's order.
fn listed(bench: &Bench) {
    let get = |number, argument: Vec<u8>, length: usize| {
        let call = Call {
            direction: Direction::Get,
            number,
            length: i32::try_from(length).expect("a length"),
            argument: Some(argument),
        };
        ask(bench, &call, true).expect("a list").bytes
    };
    let info = get(GET_INFO, vec![0; 12], 12);
    let count = [info[8], info[9], info[10], info[11]];
    let number = usize::try_from(u32::from_ne_bytes(count)).expect("a number");
    let mut argument = count.to_vec();
    argument.resize(SERVICES_HEADER, 0);
    let length = SERVICES_HEADER + number * SERVICE_ENTRY;
    let bytes = get(GET_SERVICES, argument, length);
    assert_eq!(bytes.len(), length, "as many as are said to be there");

    let tables = bench.state.lock();
    let table = tables.ipvs.table(NAMESPACES[0]);
    let none = Table::new(NAMESPACES[0]);
    let services = table.unwrap_or(&none).services_from(0);
    let mut entries = bytes[SERVICES_HEADER..].chunks(SERVICE_ENTRY);
    for service in services.filter(|service| service.key().family() == Family::Inet) {
        let entry = entries.next().expect("each has an entry");
        assert_eq!(entry[..2], service.key().protocol().to_ne_bytes());
        let mark = service.key().fwmark().map_or(0, |mark| mark.get());
        assert_eq!(entry[12..16], mark.to_ne_bytes());
        let name = service.scheduler().name().as_bytes();
        assert_eq!(entry[16..16 + name.len()], *name);
        let servers = u32::try_from(service.destinations().len()).expect("a number");
        assert_eq!(entry[44..48], servers.to_ne_bytes());
    }
    assert!(entries.next().is_none(), "no entry is left over");
}
