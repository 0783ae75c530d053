//! Datagrams: mostly almost right, with something missing, doubled, of a wrong length or kind.

use compat_tests::wire;

use compat_tests::random::Random;

/// A flag of an attribute's type (`NLA_F_NESTED`).
const NESTED: u16 = 0x8000;

/// A datagram of one to three messages for this family.
pub(crate) fn datagram(random: &mut Random, family: u16, sequence: u32) -> Vec<u8> {
    let count = if random.once_in(8) {
        2 + random.below(2)
    } else {
        1
    };
    let mut bytes = Vec::new();
    for _ in 0..count {
        let mut message = message(random, family, sequence);
        message.resize(message.len().next_multiple_of(4), 0);
        bytes.extend(message);
    }
    if random.once_in(40) {
        let length = random.below(20);
        bytes.extend(random.bytes(length));
    }
    bytes
}

fn message(random: &mut Random, family: u16, sequence: u32) -> Vec<u8> {
    let mut flags = wire::REQUEST;
    for (flag, odds) in [
        (wire::ACK, 2),
        (0x100, 6),
        (0x200, 6),
        (0x400, 12),
        (8, 12),
        (0x800, 16),
    ] {
        if random.once_in(odds) {
            flags |= flag;
        }
    }
    if random.once_in(25) {
        flags &= !wire::REQUEST;
    }
    // The family's commands, and some beside them.
    let command = random.below(20).to_le_bytes()[0];
    let mut payload = wire::generic(command, &attributes(random, command));
    payload[1] = random.one_of(&[1, 1, 1, 1, 0, 2, 255]);
    if random.once_in(20) {
        payload[2] = 1;
    }
    if random.once_in(30) {
        payload.truncate(usize::from(random.below(8)));
    }
    let mut message = wire::message(family, flags, sequence, &payload);
    if random.once_in(30) {
        let length = random.one_of(&[0_u32, 8, 15, 16, 17, 20, 21, 1000]);
        message[..4].copy_from_slice(&length.to_ne_bytes());
    }
    message
}

/// The attributes of a command: the right ones mostly.
fn attributes(random: &mut Random, command: u8) -> Vec<Vec<u8>> {
    let mut attributes = Vec::new();
    let usual: &[u16] = match command {
        1..=4 | 16 => &[wire::SERVICE],
        5..=8 => &[wire::SERVICE, wire::DEST],
        9..=11 => &[wire::DAEMON],
        12 | 13 => &[4, 5, 6],
        _ => &[],
    };
    for kind in usual {
        if !random.once_in(12) {
            attributes.push(attribute(random, *kind));
        }
    }
    if random.once_in(10) {
        let kind = random.below(9);
        attributes.push(attribute(random, kind));
    }
    if random.once_in(20) {
        attributes.reverse();
    }
    attributes
}

fn attribute(random: &mut Random, kind: u16) -> Vec<u8> {
    if random.once_in(25) {
        let length = random.below(12);
        let content = random.bytes(length);
        return wire::attr(kind, &content);
    }
    let inner = match kind {
        wire::SERVICE => some(random, &SERVICE, &[0, 1, 2, 3, 5, 6, 7, 8, 9]),
        wire::DEST => some(random, &DESTINATION, &[0, 1, 2, 3, 4, 5, 10]),
        wire::DAEMON => some(random, &DAEMON, &[0, 1, 2]),
        _ => {
            let value = random.one_of(&[0, 1, 900, 8_589_934, 8_589_935, u32::MAX]);
            return wire::number(kind, value);
        }
    };
    let flag = if random.once_in(3) { 0 } else { NESTED };
    wire::nest(kind | flag, &inner)
}

/// What an attribute may contain: its number, and how to make a proper value.
type Member = (u16, fn(&mut Random) -> Vec<u8>);

const SERVICE: [Member; 11] = [
    (1, |random| short(random, &[2, 2, 2, 10, 0, 7])),
    (2, |random| {
        short(random, &[wire::TCP, wire::TCP, wire::UDP, 132, 0, 99])
    }),
    (3, address),
    (4, |random| {
        random
            .one_of(&[[0, 80], [0, 80], [0, 0], [31, 144]])
            .to_vec()
    }),
    (5, |random| number(random, &[1, 2, 0, u32::MAX])),
    (6, |random| {
        name(
            random,
            &["rr", "rr", "wrr", "", "nosuch", "aaaaaaaaaaaaaaaa"],
        )
    }),
    (7, |random| {
        let flags = random.one_of(&[
            [0_u32, u32::MAX],
            [1, u32::MAX],
            [4, 4],
            [56, 255],
            [u32::MAX, u32::MAX],
        ]);
        flags.map(u32::to_ne_bytes).concat()
    }),
    (8, |random| number(random, &[0, 60, u32::MAX])),
    (9, |random| number(random, &[u32::MAX, 128, 64, 0, 129])),
    (11, |random| {
        name(random, &["sip", "", "nosuch", "aaaaaaaaaaaaaaaa"])
    }),
    (10, |random| random.bytes(8)),
];

const DESTINATION: [Member; 13] = [
    (1, address),
    (2, |random| {
        random.one_of(&[[0, 80], [0, 0], [31, 144]]).to_vec()
    }),
    (3, |random| {
        number(random, &[0, 1, 2, 3, 4, 7, 0x100, u32::MAX])
    }),
    (4, |random| {
        number(random, &[1, 0, 5, 0x7fff_ffff, 0x8000_0000])
    }),
    (5, |random| {
        number(random, &[0, 0, 50, 0x7fff_ffff, 0x8000_0000])
    }),
    (6, |random| number(random, &[0, 0, 40, 60])),
    (7, |random| number(random, &[0, 9])),
    (8, |random| number(random, &[0, 9])),
    (9, |random| number(random, &[0, 9])),
    (11, |random| short(random, &[2, 2, 2, 10, 0, 7])),
    (13, |random| vec![random.one_of(&[0, 0, 1, 2, 3, 255])]),
    (14, |random| random.one_of(&[[0, 0], [23, 192]]).to_vec()),
    (15, |random| short(random, &[0, 1, 2, 3, 255])),
];

const DAEMON: [Member; 8] = [
    (1, |random| number(random, &[1, 2, 0, 3, 4])),
    (2, |random| {
        name(random, &["lo", "nosuch0", "", "aaaaaaaaaaaaaaaa"])
    }),
    (3, |random| number(random, &[0, 1, 255, 256])),
    (4, |random| short(random, &[0, 1, 1400, 65535])),
    (5, |random| {
        random.one_of(&[[224, 0, 0, 81], [10, 0, 0, 1]]).to_vec()
    }),
    (6, |random| {
        [[0xff_u8, 2].as_slice(), &random.one_of(&[[0; 14], [1; 14]])].concat()
    }),
    (7, |random| short(random, &[0, 8848, 9000])),
    (8, |random| vec![random.one_of(&[0, 1, 255])]),
];

/// Some members: those at `usual` mostly, others rarely; each may be wrong.
fn some(random: &mut Random, members: &[Member], usual: &[usize]) -> Vec<Vec<u8>> {
    let mut some = Vec::new();
    for (at, (kind, value)) in members.iter().enumerate() {
        let times = if random.once_in(20) { 2 } else { 1 };
        for _ in 0..times {
            let wanted = if usual.contains(&at) {
                !random.once_in(12)
            } else {
                random.once_in(8)
            };
            let mut value = value(random);
            if random.once_in(30) {
                let length = random.below(24);
                value.resize(usize::from(length), 0);
            }
            if wanted {
                some.push(wire::attr(*kind, &value));
            }
        }
    }
    if random.once_in(20) {
        let (kind, length) = (random.below(40), random.below(40));
        some.push(wire::raw_attr(kind, length, &[0; 8]));
    }
    some
}

fn address(random: &mut Random) -> Vec<u8> {
    let mut address = vec![0; 16];
    let start: &[u8] = random.one_of(&[
        &[10, 0, 0, 1],
        &[10, 0, 0, 1],
        &[10, 0, 0, 2],
        &[0x20, 1, 0xd, 0xb8],
        &[224, 0, 0, 1],
        &[0, 0, 0, 0],
        &[0xfe, 0x80, 0, 1],
    ]);
    address[..start.len()].copy_from_slice(start);
    if random.once_in(8) {
        address.truncate(4);
    }
    address
}

fn short(random: &mut Random, choices: &[u16]) -> Vec<u8> {
    random.one_of(choices).to_ne_bytes().to_vec()
}

fn number(random: &mut Random, choices: &[u32]) -> Vec<u8> {
    random.one_of(choices).to_ne_bytes().to_vec()
}

/// A text, with the NUL that ends it or without.
fn name(random: &mut Random, choices: &[&str]) -> Vec<u8> {
    let mut name = random.one_of(choices).as_bytes().to_vec();
    if !random.once_in(10) {
        name.push(0);
    }
    name
}
