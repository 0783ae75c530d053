//! Commands and attributes that are wrong, whatever they are about.

use compat_tests::wire::{DAEMON, SERVICE, attr, nest, number, raw_attr, text};
use libc::{EINVAL, ENODEV, EOPNOTSUPP, ERANGE, ESRCH};

use super::{
    Body, DEL_DAEMON, DEL_SERVICE, GET_DEST, GET_INFO, NEW_DAEMON, SET_CONFIG, SET_INFO, ZERO, key,
};

/// The cases.
pub(super) fn cases() -> Vec<Body> {
    let daemon = |parts: &[Vec<u8>]| vec![nest(DAEMON, parts)];
    vec![
        ("command 0", 0, vec![], EOPNOTSUPP),
        ("a reply's command", SET_INFO, vec![], EOPNOTSUPP),
        ("the first unknown command", 18, vec![], EOPNOTSUPP),
        ("the last unknown command", 255, vec![], EOPNOTSUPP),
        (
            "servers without a list",
            GET_DEST,
            vec![key(80)],
            EOPNOTSUPP,
        ),
        ("an unknown attribute", ZERO, vec![attr(77, b"whatever")], 0),
        ("attribute 0", ZERO, vec![attr(0, b"whatever")], 0),
        ("bytes after the attributes", ZERO, vec![vec![1, 2, 3]], 0),
        (
            "an attribute shorter than its header",
            ZERO,
            vec![raw_attr(SERVICE, 3, &[])],
            0,
        ),
        (
            "an attribute longer than its message",
            ZERO,
            vec![raw_attr(SERVICE, 100, &[])],
            0,
        ),
        (
            "a nest too short for anything",
            DEL_SERVICE,
            vec![attr(SERVICE, &[1, 2])],
            ERANGE,
        ),
        (
            "a number of two bytes",
            SET_CONFIG,
            vec![attr(4, &[1, 2])],
            ERANGE,
        ),
        (
            "a number of no bytes",
            SET_CONFIG,
            vec![attr(6, &[])],
            ERANGE,
        ),
        (
            "a negative time-out",
            SET_CONFIG,
            vec![number(4, u32::MAX)],
            EINVAL,
        ),
        (
            "a time-out of no sense",
            SET_CONFIG,
            vec![number(5, 0x7fff_ffff)],
            EINVAL,
        ),
        ("no sync daemon", NEW_DAEMON, vec![], EINVAL),
        (
            "half a sync daemon",
            NEW_DAEMON,
            daemon(&[number(1, 1)]),
            EINVAL,
        ),
        (
            "a sync daemon of no interface",
            NEW_DAEMON,
            daemon(&[number(1, 1), text(2, "nosuch0"), number(3, 1)]),
            ENODEV,
        ),
        (
            "a sync daemon without a state",
            DEL_DAEMON,
            daemon(&[]),
            EINVAL,
        ),
        (
            "a sync daemon that does not run",
            DEL_DAEMON,
            daemon(&[number(1, 1)]),
            ESRCH,
        ),
        (
            "information with attributes",
            GET_INFO,
            vec![key(80), attr(77, &[])],
            0,
        ),
    ]
}
