//! Dividing datagrams, and the substitutes of messages.

use proptest::prelude::*;

use crate::FAMILY_ID;
use crate::datagram::{Part, is_probe, longest_lasting, marks, probe, split, substitutes};

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;

fn message(kind: u16, flags: u16, sequence: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(16 + rest.len())
        .expect("length")
        .to_ne_bytes()
        .to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(77_u32.to_ne_bytes());
    bytes.extend(rest);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + payload.len())
        .expect("length")
        .to_ne_bytes()
        .to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn controller(flags: u16, command: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    let rest = [vec![command, 1, 0, 0], attributes.concat()].concat();
    message(0x10, REQUEST | flags, 5, &rest)
}

fn is_ours(bytes: &[u8]) -> bool {
    split(bytes) == [Part::Ours(0..bytes.len())]
}

#[test]
fn requests_to_the_family_are_ours() {
    assert!(is_ours(&message(FAMILY_ID, REQUEST, 1, &[4, 1, 0, 0])));
    assert!(is_ours(&message(
        FAMILY_ID,
        REQUEST | DUMP,
        1,
        &[4, 1, 0, 0]
    )));
    // Without a generic netlink header: the kernel, too, checks the family first.
    assert!(is_ours(&message(FAMILY_ID, REQUEST, 1, &[])));
    assert!(
        !is_ours(&message(FAMILY_ID, 0, 1, &[4, 1, 0, 0])),
        "a reply"
    );
    assert!(!is_ours(&message(FAMILY_ID + 1, REQUEST, 1, &[4, 1, 0, 0])));
}

#[test]
fn asking_for_the_family_is_ours() {
    let name = attribute(2, b"IPVS\0");
    let id = attribute(1, &FAMILY_ID.to_ne_bytes());
    assert!(is_ours(&controller(ACK, 3, std::slice::from_ref(&name))));
    assert!(
        is_ours(&controller(0x100, 3, std::slice::from_ref(&name))),
        "half of a dump is none"
    );
    assert!(is_ours(&controller(0, 3, std::slice::from_ref(&id))));
    assert!(
        is_ours(&controller(0, 3, &[attribute(0x8002, b"IPVS\0")])),
        "flags in the type"
    );
    assert!(
        is_ours(&controller(0, 3, &[attribute(1, &[9, 0]), name.clone()])),
        "name beats id"
    );
    assert!(
        !is_ours(&controller(0, 3, &[id, attribute(2, b"nlctrl\0")])),
        "name beats id"
    );
    assert!(
        !is_ours(&controller(DUMP, 3, std::slice::from_ref(&name))),
        "all families"
    );
    assert!(
        !is_ours(&controller(0, 10, std::slice::from_ref(&name))),
        "another command"
    );
    assert!(!is_ours(&controller(0, 3, &[attribute(2, b"IPVS2\0")])));
    assert!(!is_ours(&controller(0, 3, &[attribute(2, b"IPV\0")])));
    assert!(!is_ours(&controller(0, 3, &[])));
}

#[test]
fn a_datagram_is_divided_into_sequences() {
    let ours = message(FAMILY_ID, REQUEST, 1, &[4, 1, 0, 0]);
    let foreign = message(0x18, REQUEST, 2, &[1, 1, 0, 0, 9]);
    let (a, b) = (ours.len(), foreign.len());
    let all = [&ours[..], &ours, &foreign, &foreign, &ours].concat();
    let expected = [
        Part::Ours(0..2 * a),
        Part::Foreign(2 * a..2 * a + 2 * b),
        Part::Ours(2 * a + 2 * b..3 * a + 2 * b),
    ];
    assert_eq!(split(&all), expected);
    let with_tail = [
        &all[..],
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17],
    ]
    .concat();
    assert_eq!(
        split(&with_tail),
        expected,
        "the kernel ignores such a tail"
    );
    // The last message may lack padding.
    let unpadded = &foreign[..21];
    assert_eq!(split(unpadded), [Part::Foreign(0..21)]);
}

#[test]
fn substitutes_repeat_sequence_number_and_port() {
    let all = [
        message(FAMILY_ID, REQUEST | ACK, 41, &[1, 1, 0, 0]),
        message(FAMILY_ID, REQUEST | DUMP, 42, &[4, 1, 0, 0]),
        message(FAMILY_ID, REQUEST, 43, &[15, 1, 0, 0]),
    ]
    .concat();
    let marks = marks(&all);
    let datagram = substitutes(&marks);
    let id = attribute(1, &FAMILY_ID.to_ne_bytes());
    let expected = |flags, sequence| {
        message(
            0x10,
            flags,
            sequence,
            &[vec![3, 1, 0, 0], id[..6].to_vec()].concat(),
        )
    };
    let mut expected = [
        expected(REQUEST | ACK, 41),
        expected(REQUEST, 42),
        expected(REQUEST, 43),
    ]
    .concat();
    // A message's length may or may not include its padding; the kernel accepts both.
    for at in [0, 28, 56] {
        expected[at] = 28;
    }
    assert_eq!(datagram, expected);
    assert_eq!(longest_lasting(&marks), &marks[1..2], "the dump");
    assert_eq!(longest_lasting(&marks[2..]), &marks[2..]);
    assert_eq!(longest_lasting(&[]), &[]);
}

#[test]
fn only_the_probe_is_recognised_as_the_probe() {
    assert!(is_ours(&probe()));
    assert!(is_probe(&probe()));
    assert!(!is_probe(&message(FAMILY_ID, REQUEST, 1, &[15, 1, 0, 0])));
}

proptest! {
    #[test]
    fn any_bytes_can_be_split(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut end = 0;
        for part in split(&bytes) {
            let (Part::Ours(run) | Part::Foreign(run)) = part;
            prop_assert!(run.start == end && run.end > run.start && run.end <= bytes.len());
            end = run.end;
        }
        let _ = substitutes(&marks(&bytes));
    }

    #[test]
    fn any_attributes_can_be_read(rest in proptest::collection::vec(any::<u8>(), 0..64)) {
        let bytes = controller(0, 3, &[rest]);
        prop_assert_eq!(split(&bytes).len(), 1);
    }
}
