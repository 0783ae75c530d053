//! Servers that are wrong.

use compat_tests::wire::{DEST, attr, nest, number, short};
use libc::{EAFNOSUPPORT, EEXIST, EINVAL, ENOENT, ERANGE, ESRCH};

use super::{Body, DEL_DEST, INET6, NEW_DEST, SET_DEST, key, server};

/// The cases.
pub(super) fn cases() -> Vec<Body> {
    let with = |at: usize, part: Vec<u8>| {
        let mut parts = server(81);
        parts[at] = part;
        vec![key(80), nest(DEST, &parts)]
    };
    let known = |at: usize, part: Vec<u8>| {
        let mut parts = server(80);
        parts[at] = part;
        vec![key(80), nest(DEST, &parts)]
    };
    let more =
        |port, parts: &[Vec<u8>]| vec![key(80), nest(DEST, &[&server(port)[..], parts].concat())];
    let negative = number(4, u32::from_ne_bytes((-1_i32).to_ne_bytes()));
    vec![
        (
            "a new server without a server",
            NEW_DEST,
            vec![key(80)],
            EINVAL,
        ),
        (
            "a new server without a service",
            NEW_DEST,
            vec![nest(DEST, &server(81))],
            EINVAL,
        ),
        (
            "a server of an unknown service",
            NEW_DEST,
            vec![key(81), nest(DEST, &server(81))],
            ESRCH,
        ),
        (
            "a malformed server of an unknown service",
            NEW_DEST,
            vec![key(81), attr(DEST, &[])],
            ESRCH,
        ),
        (
            "a server twice",
            NEW_DEST,
            vec![key(80), nest(DEST, &server(80))],
            EEXIST,
        ),
        (
            "a weight of -1",
            NEW_DEST,
            with(3, negative.clone()),
            ERANGE,
        ),
        (
            "the smallest weight",
            NEW_DEST,
            with(3, number(4, 0x8000_0000)),
            ERANGE,
        ),
        (
            "editing to a weight of -1",
            SET_DEST,
            known(3, negative),
            ERANGE,
        ),
        (
            "a weight of two bytes",
            NEW_DEST,
            with(3, attr(4, &[1, 0])),
            EINVAL,
        ),
        ("no weight", NEW_DEST, with(3, vec![]), EINVAL),
        ("no address", NEW_DEST, with(0, vec![]), EINVAL),
        ("no port", NEW_DEST, with(1, vec![]), EINVAL),
        ("no forwarding method", NEW_DEST, with(2, vec![]), EINVAL),
        (
            "a lower threshold above the upper",
            NEW_DEST,
            with(5, number(6, 5)),
            ERANGE,
        ),
        (
            "a threshold of no sense",
            NEW_DEST,
            with(4, number(5, 0x8000_0000)),
            EINVAL,
        ),
        (
            "family 7",
            NEW_DEST,
            more(81, &[short(11, 7)]),
            EAFNOSUPPORT,
        ),
        (
            "an IPv6 server that is masqueraded for",
            NEW_DEST,
            more(81, &[short(11, INET6)]),
            EINVAL,
        ),
        (
            "a GUE tunnel without a port",
            NEW_DEST,
            more(81, &[attr(13, &[1])]),
            EINVAL,
        ),
        (
            "a tunnel port of one byte",
            NEW_DEST,
            more(81, &[attr(14, &[1])]),
            EINVAL,
        ),
        (
            "an unknown attribute in a server",
            SET_DEST,
            more(80, &[attr(99, b"x")]),
            0,
        ),
        (
            "editing what is not there",
            SET_DEST,
            vec![key(80), nest(DEST, &server(81))],
            ENOENT,
        ),
        (
            "deleting what is not there",
            DEL_DEST,
            vec![key(80), nest(DEST, &server(81))],
            ENOENT,
        ),
        ("deleting nothing", DEL_DEST, vec![key(80)], EINVAL),
    ]
}
