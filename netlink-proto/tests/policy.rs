// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's rules for attributes, rule by rule. `tests/controller.rs` compares the walker with
//! the answers of a real kernel; this file tests the rules that only IPVS uses, and its tables.

#![cfg(target_endian = "little")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use netlink_packet_ipvs::policy::{
    CommandAttrs, DaemonAttrs, DestinationAttrs, PolicyError,
    PolicyErrorKind::{self, *},
    Rule, ServiceAttrs,
    Validation::{self, Liberal, Strict},
    walk,
};

const EINVAL: i32 = 22;
const ERANGE: i32 = 34;

/// An attribute with its padding.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut wire = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    wire.extend_from_slice(payload);
    wire.resize(wire.len().next_multiple_of(4), 0);
    wire
}

#[test]
fn each_rule() {
    type Case = (
        Rule,
        &'static [u8],
        Option<PolicyErrorKind>,
        Option<PolicyErrorKind>,
    );
    let cases: &[Case] = &[
        // rule, payload, liberal, strict
        (Rule::U8, b"", Some(TooShort), Some(WrongLength)),
        (Rule::U8, b"1", None, None),
        (Rule::U8, b"12", None, Some(WrongLength)),
        (Rule::U16, b"1", Some(TooShort), Some(WrongLength)),
        (Rule::U16, b"12", None, None),
        (Rule::U16, b"123", None, Some(WrongLength)),
        (Rule::U32, b"123", Some(TooShort), Some(WrongLength)),
        (Rule::U32, b"1234", None, None),
        (Rule::U32, b"12345678", None, Some(WrongLength)),
        (Rule::Binary(4), b"", None, None),
        (Rule::Binary(4), b"1234", None, None),
        (Rule::Binary(4), b"12345", Some(TooLong), Some(TooLong)),
        (Rule::Unspec(4), b"123", Some(TooShort), Some(Unsupported)),
        (Rule::Unspec(4), b"12345", None, Some(Unsupported)),
        (Rule::Unspec(0), b"", None, Some(Unsupported)),
        (
            Rule::NulString(3),
            b"",
            Some(NotTerminated),
            Some(NotTerminated),
        ),
        (Rule::NulString(3), b"\0", None, None),
        (
            Rule::NulString(3),
            b"123",
            Some(NotTerminated),
            Some(NotTerminated),
        ),
        (Rule::NulString(3), b"123\0", None, None),
        (
            Rule::NulString(3),
            b"1234\0",
            Some(NotTerminated),
            Some(NotTerminated),
        ),
        (Rule::NulString(3), b"1\x0023", Some(TooLong), Some(TooLong)),
        (Rule::NulString(3), b"1\x002\0", None, None),
        (
            Rule::NulString(3),
            b"1\x002\0\0",
            Some(TooLong),
            Some(TooLong),
        ),
        (Rule::NulString(3), b"\0\0\0\0", None, None),
    ];
    for (rule, payload, liberal, strict) in cases {
        assert_eq!(
            rule.check(payload, false, Liberal).err(),
            *liberal,
            "{rule:?} {payload:?}"
        );
        assert_eq!(
            rule.check(payload, false, Strict).err(),
            *strict,
            "{rule:?} {payload:?}"
        );
        assert_eq!(
            rule.check(payload, true, Liberal).err(),
            *liberal,
            "{rule:?} {payload:?}"
        );
        // The flag is checked after the length of a number and before everything else.
        let flagged = match (rule, strict) {
            (_, Some(WrongLength | Unsupported)) => *strict,
            _ => Some(NestedUnexpected),
        };
        assert_eq!(
            rule.check(payload, true, Strict).err(),
            flagged,
            "{rule:?} {payload:?}"
        );
    }
    for (payload, error) in [
        (&b""[..], None),
        (b"1", Some(TooShort)),
        (b"123", Some(TooShort)),
        (b"1234", None),
    ] {
        assert_eq!(Rule::Nested.check(payload, true, Liberal).err(), error);
        assert_eq!(Rule::Nested.check(payload, false, Liberal).err(), error);
        assert_eq!(Rule::Nested.check(payload, true, Strict).err(), error);
        assert_eq!(
            Rule::Nested.check(payload, false, Strict).err(),
            Some(NestedMissing)
        );
    }
}

#[test]
fn each_error_has_the_kernels_errno_and_words() {
    let words = "Attribute failed policy validation";
    for (kind, errno, message) in [
        (TooShort, ERANGE, words),
        (TooLong, ERANGE, words),
        (NotTerminated, EINVAL, words),
        (WrongLength, EINVAL, "invalid attribute length"),
        (UnknownType, EINVAL, "Unknown attribute type"),
        (Unsupported, EINVAL, "Unsupported attribute"),
        (NestedMissing, EINVAL, "NLA_F_NESTED is missing"),
        (NestedUnexpected, EINVAL, "NLA_F_NESTED not expected"),
        (Leftover, EINVAL, "bytes leftover after parsing attributes"),
    ] {
        let error = PolicyError {
            attribute: 1,
            offset: 8,
            kind,
            rule: None,
        };
        assert_eq!((error.errno(), error.message()), (errno, Some(message)));
        assert_eq!(error.attribute_offset(), (kind != Leftover).then_some(8));
    }
}

type Seen<'a> = Vec<(u16, &'a [u8])>;

/// The result of walking a buffer: types and payloads, and how it ends.
fn walked(buffer: &[u8], validation: Validation) -> (Seen<'_>, Result<usize, PolicyError>) {
    let mut seen = Vec::new();
    let rules = [Rule::Unspec(0), Rule::Binary(8), Rule::U16];
    let end = walk(buffer, &rules, validation, |kind, payload| {
        seen.push((kind, payload))
    });
    (seen, end)
}

#[test]
fn the_walk_ends_where_the_kernels_does() {
    let (one, two) = (attribute(1, b"abc"), attribute(2, b"de"));
    let ok: [(u16, &[u8]); 2] = [(1, b"abc"), (2, b"de")];
    let both = [one.clone(), two.clone()].concat();
    assert_eq!(walked(&both, Strict), (ok.to_vec(), Ok(0)));
    // The padding of the last attribute may be missing; the walk only needs whole attributes.
    assert_eq!(walked(&both[..14], Strict), (ok.to_vec(), Ok(0)));
    let first = &ok[..1];
    for (end, leftover) in [
        (&both[8..13], 5),              // longer than what is left
        (&both[8..11], 3),              // no whole header
        (&[3, 0, 2, 0, 1, 1, 1, 1], 8), // shorter than a header
        (&[0, 0, 0, 0], 4),             // of length 0
        (&[255, 255, 2, 0, 1, 1], 6),   // of length 65535
    ] {
        let bytes = [&one, end].concat();
        assert_eq!(
            walked(&bytes, Liberal),
            (first.to_vec(), Ok(leftover)),
            "{end:?}"
        );
        let error = PolicyError {
            attribute: 0,
            offset: 8,
            kind: Leftover,
            rule: None,
        };
        assert_eq!(
            walked(&bytes, Strict),
            (first.to_vec(), Err(error)),
            "{end:?}"
        );
    }
    assert_eq!(walked(&[], Strict), (vec![], Ok(0)));
}

#[test]
fn unknown_types_are_skipped_or_refused() {
    for unknown in [0_u16, 3, 0x3fff, 0x4000, 0x8000] {
        let bytes = [
            attribute(1, b""),
            attribute(unknown, b"x"),
            attribute(2, b"yz"),
        ]
        .concat();
        let (seen, end) = walked(&bytes, Liberal);
        assert_eq!((seen.len(), end), (2, Ok(0)), "{unknown}");
        let attribute = unknown & 0x3fff;
        let error = PolicyError {
            attribute,
            offset: 4,
            kind: UnknownType,
            rule: None,
        };
        assert_eq!(walked(&bytes, Strict).1, Err(error), "{unknown}");
    }
    // Flags are not part of the type.
    let bytes = attribute(0xc000 | 2, b"yz");
    assert_eq!(walked(&bytes, Liberal).0, [(2, &b"yz"[..])]);
}

#[test]
fn the_first_violation_counts() {
    let bytes = [attribute(1, b"123456789"), attribute(2, b"x")].concat();
    let error = PolicyError {
        attribute: 1,
        offset: 0,
        kind: TooLong,
        rule: Some(Rule::Binary(8)),
    };
    assert_eq!(walked(&bytes, Liberal), (vec![], Err(error)));
    let bytes = [attribute(1, b"1"), attribute(2, b"x"), attribute(2, b"")].concat();
    let error = PolicyError {
        attribute: 2,
        offset: 8,
        kind: TooShort,
        rule: Some(Rule::U16),
    };
    assert_eq!(walked(&bytes, Liberal).1, Err(error));
}

/// Every entry of the kernel's four policies: too short or too long payloads are detected by type.
#[test]
fn each_table() {
    type Decode = fn(&[u8]) -> Result<(), PolicyError>;
    let command: Decode = |bytes| CommandAttrs::decode(bytes).map(drop);
    let service: Decode = |bytes| ServiceAttrs::decode(bytes).map(drop);
    let dest: Decode = |bytes| DestinationAttrs::decode(bytes).map(drop);
    let daemon: Decode = |bytes| DaemonAttrs::decode(bytes).map(drop);
    let (nested, u8, u16, u32) = (Rule::Nested, Rule::U8, Rule::U16, Rule::U32);
    let (address, flags) = (Rule::Binary(16), Rule::Binary(8));
    let (name15, name16, none) = (Rule::NulString(15), Rule::NulString(16), Rule::Unspec(0));
    let tables: [(&str, Decode, &[Rule]); 4] = [
        ("command", command, &[nested, nested, nested, u32, u32, u32]),
        (
            "service",
            service,
            &[
                u16, u16, address, u16, u32, name15, flags, u32, u32, nested, name16, none,
            ],
        ),
        (
            "destination",
            dest,
            &[
                address, u16, u32, u32, u32, u32, u32, u32, u32, nested, u16, none, u8, u16, u16,
            ],
        ),
        (
            "daemon",
            daemon,
            &[u32, name15, u32, u16, u32, Rule::Unspec(16), u16, u8],
        ),
    ];
    for (name, decode, rules) in tables {
        for (kind, rule) in (1..).zip(rules) {
            for length in 0..24 {
                for payload in [vec![0; length], vec![b'x'; length]] {
                    let expected =
                        rule.check(&payload, false, Liberal)
                            .map_err(|error| PolicyError {
                                attribute: kind,
                                offset: 0,
                                kind: error,
                                rule: Some(*rule),
                            });
                    let result = decode(&attribute(kind, &payload));
                    assert_eq!(result, expected, "{name} {kind} {payload:?}");
                }
            }
        }
        // No type is defined past the last one.
        let past = u16::try_from(rules.len() + 1).unwrap();
        assert_eq!(decode(&attribute(past, b"")), Ok(()), "{name}");
    }
}
