//! Datagrams whose headers are wrong.

use compat_tests::wire::{ACK, DUMP, REQUEST, SERVICE, attr, generic, message};
use libc::{EINVAL, EOPNOTSUPP};

use super::{Case, Expected, FLUSH, GET_DEST, NEW_SERVICE, key};

/// The cases.
pub(super) fn cases(family: u16) -> Vec<Case> {
    let flags = REQUEST | ACK;
    let flush = message(family, flags, 1, &generic(FLUSH, &[]));
    let with_length = |length: u32| [&length.to_ne_bytes(), &flush[4..]].concat();
    let case = |what, datagram, expected| Case {
        what,
        datagram,
        expected,
    };
    let verdict = Expected::Verdict;
    vec![
        case(
            "nothing but a length",
            flush[..4].to_vec(),
            Expected::Silence,
        ),
        case(
            "a header cut short",
            flush[..15].to_vec(),
            Expected::Silence,
        ),
        case(
            "a message longer than its datagram",
            with_length(21),
            Expected::Silence,
        ),
        case(
            "a message that has no end",
            with_length(u32::MAX),
            Expected::Silence,
        ),
        case(
            "a message shorter than its header",
            with_length(15),
            Expected::Silence,
        ),
        case("a message of no length", with_length(0), Expected::Silence),
        case("no generic header", with_length(16), verdict(EINVAL)),
        case("half a generic header", with_length(18), verdict(EINVAL)),
        case(
            "no request",
            message(family, ACK, 1, &generic(FLUSH, &[])),
            verdict(0),
        ),
        case(
            "no request and no wish for a verdict",
            message(family, 0, 1, &generic(FLUSH, &[])),
            Expected::Silence,
        ),
        case(
            "a control message",
            message(3, flags, 1, &generic(FLUSH, &[])),
            verdict(0),
        ),
        case(
            "a list of what is no list",
            message(family, flags | DUMP, 1, &generic(NEW_SERVICE, &[])),
            verdict(EOPNOTSUPP),
        ),
        case(
            "reserved bits with an unknown command",
            message(family, flags, 1, &[99, 1, 1, 0]),
            verdict(EINVAL),
        ),
        case(
            "unknown flags with an unknown command",
            message(family, flags | 0x400, 1, &generic(99, &[])),
            verdict(EINVAL),
        ),
        case(
            "servers of no service",
            message(family, flags | DUMP, 1, &generic(GET_DEST, &[])),
            Expected::EmptyList,
        ),
        case(
            "servers of an unknown service",
            message(family, flags | DUMP, 1, &generic(GET_DEST, &[key(81)])),
            Expected::EmptyList,
        ),
        case(
            "servers of a malformed service",
            message(
                family,
                flags | DUMP,
                1,
                &generic(GET_DEST, &[attr(SERVICE, &[1, 2, 3])]),
            ),
            Expected::EmptyList,
        ),
    ]
}
