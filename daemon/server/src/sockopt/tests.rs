//! Calls with the bytes that programs pass, on real tables.

use proptest::{arbitrary::any, collection::vec, option, prop_oneof, proptest, strategy::Just};

use super::{BASE, Call, Caller, Direction, Value, argument_length, carry_out};
use crate::state::{IpvsState, Tables};
use sockvs_ipvs::{
    DestinationReading, Ipvs, Namespace, Owner, Stats,
    fake::{FakeHost, FixedPath},
};

/// Seven connections, and more bytes than 32 bits count.
const STATS: Stats = Stats {
    conns: 7,
    inpkts: (1 << 32) + 8,
    outpkts: 9,
    inbytes: 1 << 40,
    outbytes: 11,
    cps: 1,
    inpps: 2,
    outpps: 3,
    inbps: 4,
    outbps: 5,
};

struct Kernel(IpvsState);

impl Kernel {
    fn new() -> Self {
        Self(IpvsState::new(Tables {
            ipvs: Ipvs::new(),
            path: Box::new(FixedPath {
                stats: STATS,
                reading: DestinationReading {
                    active: 1,
                    inactive: 2,
                    persistent: 3,
                    stats: STATS,
                },
            }),
        }))
    }

    fn call(&self, call: &Call) -> Result<Value, i32> {
        let caller = Caller {
            namespace: Namespace(1),
            owner: Owner::Host,
            host: &FakeHost,
            pid: 0,
            net_admin: true,
        };
        carry_out(&self.0, &caller, call)
    }

    fn set(&self, option: i32, argument: &[u8]) -> Result<(), i32> {
        self.call(&Call {
            direction: Direction::Set,
            number: BASE + option,
            length: i32::try_from(argument.len()).unwrap(),
            argument: Some(argument.to_vec()),
        })
        .map(drop)
    }

    /// What a `getsockopt` with this memory writes to it.
    fn get(&self, option: i32, memory: &[u8]) -> Result<Value, i32> {
        let needed = argument_length(Direction::Get, BASE + option).min(memory.len());
        self.call(&Call {
            direction: Direction::Get,
            number: BASE + option,
            length: i32::try_from(memory.len()).unwrap(),
            argument: Some(memory[..needed].to_vec()),
        })
    }
}

/// `struct ip_vs_service_user` up to the name: `protocol` 10.9.0.1:80, or a mark.
fn which(protocol: u16, fwmark: u32) -> Vec<u8> {
    let addr: [u8; 4] = if fwmark == 0 { [10, 9, 0, 1] } else { [0; 4] };
    let port: u16 = if fwmark == 0 { 80 } else { 0 };
    let mut bytes = protocol.to_ne_bytes().to_vec();
    bytes.extend([0xee; 2]);
    bytes.extend(addr);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0xee; 2]);
    bytes.extend(fwmark.to_ne_bytes());
    bytes
}

fn service_of(which: &[u8], scheduler: &[u8; 16]) -> Vec<u8> {
    let mut bytes = which.to_vec();
    bytes.extend(scheduler);
    for number in [1_u32, 300, u32::MAX] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes
}

fn service(scheduler: &[u8; 16]) -> Vec<u8> {
    service_of(&which(6, 0), scheduler)
}

const RR: &[u8; 16] = b"rr\0garbage\0\0\0\0\0\0";

/// A service and `struct ip_vs_dest_user`: 10.1.0.`host`:8080.
fn server(host: u8, flags: u32, weight: i32) -> Vec<u8> {
    let mut bytes = service(&[0; 16]);
    bytes.extend([10, 1, 0, host]);
    bytes.extend(8080_u16.to_be_bytes());
    bytes.extend([0xee; 2]);
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(weight.to_ne_bytes());
    bytes.extend(20_u32.to_ne_bytes());
    bytes.extend(10_u32.to_ne_bytes());
    bytes
}

fn daemon(state: i32, interface: &[u8; 16]) -> Vec<u8> {
    let mut bytes = state.to_ne_bytes().to_vec();
    bytes.extend(interface);
    bytes.extend(5_i32.to_ne_bytes());
    bytes
}

const ETH0: &[u8; 16] = b"eth0\0\0\0\0\0\0\0\0\0\0\0\0";

#[test]
fn a_service_is_listed_as_it_was_added() {
    let kernel = Kernel::new();
    assert_eq!(kernel.set(2, &service(RR)), Ok(()));
    assert_eq!(kernel.set(7, &server(1, 0, 3)), Ok(()));
    let mut question = which(6, 0);
    question.resize(104, 0xee);
    let Value { bytes, length } = kernel.get(3, &question).unwrap();
    assert_eq!((bytes.len(), length), (104, 104));
    let (mut expected, mut stats) = (service(b"rr\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), Vec::new());
    for at in [2, 3, 10, 11] {
        expected[at] = 0;
    }
    expected[32] |= 2;
    expected.extend(1_u32.to_ne_bytes());
    for number in [7_u32, 8, 9, 0] {
        stats.extend(number.to_ne_bytes());
    }
    for number in [1_u64 << 40, 11] {
        stats.extend(number.to_ne_bytes());
    }
    for number in [1_u32, 2, 3, 4, 5, 0] {
        stats.extend(number.to_ne_bytes());
    }
    expected.extend(&stats);
    assert_eq!(bytes, expected);

    let mut question = which(6, 0);
    question.extend(1_u32.to_ne_bytes());
    question.extend([0xee; 4]);
    let header = question.clone();
    question.resize(24 + 96, 0xee);
    let found = kernel.get(4, &question).unwrap().bytes;
    let mut expected = header;
    expected.extend([10, 1, 0, 1, 0x1f, 0x90, 0, 0]);
    for number in [0x100_u32, 3, 20, 10, 1, 2, 3, 0] {
        expected.extend(number.to_ne_bytes());
    }
    expected.extend(&stats);
    assert_eq!(found, expected);
}

#[test]
fn a_list_has_as_many_entries_as_its_caller_says() {
    let kernel = Kernel::new();
    kernel.set(2, &service(RR)).unwrap();
    kernel.set(2, &service_of(&which(17, 0), RR)).unwrap();
    kernel.set(2, &service_of(&which(6, 9), RR)).unwrap();
    let info = kernel.get(1, &[0; 12]).unwrap().bytes;
    assert_eq!(info[8..], 3_u32.to_ne_bytes());
    for (wanted, found) in [(0_u32, 0), (2, 2), (3, 3), (5, 3)] {
        let mut question = wanted.to_ne_bytes().to_vec();
        question.resize(8 + 104 * usize::try_from(wanted).unwrap(), 0);
        let value = kernel.get(2, &question).unwrap();
        assert_eq!(value.bytes.len(), 8 + 104 * found, "{wanted}");
        assert_eq!(usize::try_from(value.length), Ok(question.len()));
        question.push(0);
        assert_eq!(kernel.get(2, &question), Err(libc::EINVAL), "too much room");
    }
    let mut overflow = u32::MAX.to_ne_bytes().to_vec();
    overflow.resize(8, 0);
    assert_eq!(kernel.get(2, &overflow), Err(libc::EINVAL));
}

#[test]
fn the_other_values_are_the_kernels() {
    let kernel = Kernel::new();
    let Value { bytes, length } = kernel.get(0, &[0; 64]).unwrap();
    assert_eq!(bytes, b"IP Virtual Server version 1.2.1 (size=4096)\0");
    assert_eq!(usize::try_from(length), Ok(bytes.len()));
    let timeouts = |numbers: [i32; 3]| numbers.map(i32::to_ne_bytes).concat();
    assert_eq!(
        kernel.get(6, &[0; 12]).unwrap().bytes,
        timeouts([900, 120, 300])
    );
    assert_eq!(kernel.set(10, &timeouts([0, 5, 0])), Ok(()));
    assert_eq!(kernel.set(10, &timeouts([0, -1, 0])), Err(libc::EINVAL));
    assert_eq!(
        kernel.get(6, &[0; 12]).unwrap().bytes,
        timeouts([900, 5, 300])
    );
    assert_eq!(kernel.get(7, &[0xee; 48]).unwrap().bytes, [0; 48]);
    assert_eq!(kernel.set(11, &daemon(2, ETH0)), Ok(()));
    let expected = [vec![0; 24], daemon(2, ETH0)].concat();
    assert_eq!(kernel.get(7, &[0xee; 48]).unwrap().bytes, expected);
    assert_eq!(kernel.set(11, &daemon(2, ETH0)), Err(libc::EEXIST));
    assert_eq!(kernel.set(12, &daemon(1, ETH0)), Err(libc::ESRCH));
    assert_eq!(kernel.set(12, &daemon(2, &[b'x'; 16])), Ok(()));
}

#[test]
fn invalid_calls_are_refused_with_the_kernels_errors() {
    let kernel = Kernel::new();
    kernel.set(2, &service(RR)).unwrap();
    for (option, argument, errno) in [
        (2, service(RR), libc::EEXIST),
        (2, service(&[b'r'; 16]), libc::EINVAL),
        (3, service(&[b'r'; 16]), libc::EINVAL),
        (3, service(b"nosuchscheduler\0"), libc::ENOENT),
        (2, service_of(&which(1, 0), RR), libc::EFAULT),
        (4, service_of(&which(17, 0), RR), libc::ESRCH),
        (15, service_of(&which(6, 3), RR), libc::ESRCH),
        (7, server(1, 0, -1), libc::ERANGE),
        (8, server(1, 0, 1), libc::ENOENT),
        (9, server(1, 0, 1), libc::ENOENT),
        (11, daemon(1, &[0; 16]), libc::EINVAL),
        (11, daemon(1, &[b'x'; 16]), libc::EINVAL),
        (11, daemon(1, b"eth1\0\0\0\0\0\0\0\0\0\0\0\0"), libc::ENODEV),
        (11, daemon(7, ETH0), libc::EINVAL),
        (0, Vec::new(), libc::EINVAL),
        (14, Vec::new(), libc::EINVAL),
    ] {
        assert_eq!(kernel.set(option, &argument), Err(errno), "option {option}");
    }
    // The length of the name does not matter if no scheduler is requested.
    assert_eq!(kernel.set(4, &service(&[b'r'; 16])), Ok(()));
    let mut missing = which(6, 0);
    missing.resize(104, 0);
    assert_eq!(kernel.get(3, &missing), Err(libc::ESRCH));
    assert_eq!(kernel.get(4, &missing[..24]), Err(libc::ESRCH));
    assert_eq!(kernel.get(5, &missing), Err(libc::EINVAL));
}

#[test]
fn an_argument_of_another_length_is_refused() {
    let kernel = Kernel::new();
    for option in 0..16 {
        let right = argument_length(Direction::Set, BASE + option);
        for length in (0..=100).filter(|length| *length != right) {
            let refused = kernel.set(option, &vec![0; length]);
            assert_eq!(refused, Err(libc::EINVAL), "set {option}, {length} bytes");
        }
    }
    for option in 0..8 {
        let least = argument_length(Direction::Get, BASE + option);
        for length in 0..least {
            let refused = kernel.get(option, &vec![0; length]);
            assert_eq!(refused, Err(libc::EINVAL), "get {option}, {length} bytes");
        }
    }
}

#[test]
fn an_argument_that_cannot_be_read_is_refused() {
    let kernel = Kernel::new();
    for (direction, option, argument) in [
        (Direction::Set, 2, None),
        (Direction::Set, 2, Some(vec![0; 10])),
        (Direction::Get, 1, None),
        (Direction::Get, 2, Some(vec![0; 3])),
    ] {
        let number = BASE + option;
        let length = i32::try_from(argument_length(direction, number)).unwrap();
        let call = Call {
            direction,
            number,
            length,
            argument,
        };
        assert_eq!(kernel.call(&call), Err(libc::EFAULT), "{call:?}");
    }
}

proptest! {
    #[test]
    fn every_call_is_answered(
        direction in prop_oneof![Just(Direction::Set), Just(Direction::Get)],
        option in -1..17_i32,
        length in prop_oneof![any::<i32>(), 0..200_i32],
        argument in option::of(vec(any::<u8>(), 0..120)),
    ) {
        let kernel = Kernel::new();
        kernel.set(2, &service(RR)).unwrap();
        let number = BASE + option;
        // As the interceptor reads it, and with a wrong length.
        let right = argument_length(direction, number);
        let exact = argument.clone().map(|mut argument| {
            argument.resize(right, 0);
            argument
        });
        let lengths = [length, i32::try_from(right).unwrap()];
        for (length, argument) in lengths.into_iter().zip([argument, exact]) {
            let call = Call { direction, number, length, argument };
            let (Ok(_) | Err(1..)) = kernel.call(&call) else { panic!("{call:?}") };
        }
    }
}

#[test]
fn a_caller_without_net_admin_is_refused_first() {
    let kernel = Kernel::new();
    let caller = Caller {
        namespace: Namespace(1),
        owner: Owner::Host,
        host: &FakeHost,
        pid: 0,
        net_admin: false,
    };
    for direction in [Direction::Set, Direction::Get] {
        let call = Call {
            direction,
            number: BASE + 14,
            length: -1,
            argument: None,
        };
        assert_eq!(carry_out(&kernel.0, &caller, &call), Err(libc::EPERM));
    }
}

#[test]
fn a_blank_service_zeroes_them_all() {
    let kernel = Kernel::new();
    kernel.set(2, &service(RR)).unwrap();
    assert_eq!(kernel.set(15, &[0; 44]), Ok(()));
    let mut question = which(6, 0);
    question.resize(104, 0);
    let bytes = kernel.get(3, &question).unwrap().bytes;
    assert_eq!(bytes[48..80], [0; 32], "the counters");
    assert_ne!(bytes[80..100], [0; 20], "the rates");
}

#[test]
fn only_the_forwarding_method_of_a_servers_flags_is_kept() {
    let kernel = Kernel::new();
    kernel.set(2, &service(RR)).unwrap();
    for (given, shown) in [(0, 0x100_u32), (2, 0x182), (3, 0x183), (0xffff_fff8, 0x100)] {
        kernel.set(7, &server(1, given, 1)).unwrap();
        let mut question = which(6, 0);
        question.extend(1_u32.to_ne_bytes());
        question.resize(24 + 96, 0);
        let bytes = kernel.get(4, &question).unwrap().bytes;
        assert_eq!(bytes[32..36], shown.to_ne_bytes(), "{given:#x}");
        kernel.set(8, &server(1, 0, 1)).unwrap();
    }
}
