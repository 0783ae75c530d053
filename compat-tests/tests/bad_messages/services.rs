//! Services that are wrong.

use compat_tests::wire::{SERVICE, attr, nest, number, short, text};
use libc::{EAFNOSUPPORT, EEXIST, EINVAL, ENOENT, ESRCH};

use super::{
    Body, DEL_SERVICE, GET_SERVICE, NEW_SERVICE, SET_SERVICE, ZERO, ipv6_service, key,
    service_with, whole,
};

/// The cases.
pub(super) fn cases() -> Vec<Body> {
    let unwhole = |without: usize| {
        let mut parts = whole(80, "rr");
        parts.remove(without);
        vec![nest(SERVICE, &parts)]
    };
    let with = |at: usize, part: Vec<u8>| {
        let mut parts = whole(81, "rr");
        parts[at] = part;
        vec![nest(SERVICE, &parts)]
    };
    vec![
        (
            "a new service without a service",
            NEW_SERVICE,
            vec![],
            EINVAL,
        ),
        (
            "an empty service",
            NEW_SERVICE,
            vec![nest(SERVICE, &[])],
            EINVAL,
        ),
        (
            "a service twice",
            NEW_SERVICE,
            vec![service_with(80, "rr")],
            EEXIST,
        ),
        ("without a family", NEW_SERVICE, unwhole(0), EINVAL),
        ("without a protocol", NEW_SERVICE, unwhole(1), EINVAL),
        ("without an address", NEW_SERVICE, unwhole(2), EINVAL),
        ("without a port", NEW_SERVICE, unwhole(3), EINVAL),
        ("without a scheduler", NEW_SERVICE, unwhole(4), EINVAL),
        ("without flags", NEW_SERVICE, unwhole(5), EINVAL),
        ("without a time-out", NEW_SERVICE, unwhole(6), EINVAL),
        ("without a netmask", NEW_SERVICE, unwhole(7), EINVAL),
        ("family 7", NEW_SERVICE, with(0, short(1, 7)), EAFNOSUPPORT),
        ("family 0", NEW_SERVICE, with(0, short(1, 0)), EAFNOSUPPORT),
        (
            "a family of one byte",
            NEW_SERVICE,
            with(0, attr(1, &[2])),
            EINVAL,
        ),
        (
            "an address of 17 bytes",
            NEW_SERVICE,
            with(2, attr(3, &[1; 17])),
            EINVAL,
        ),
        (
            "a port of one byte",
            NEW_SERVICE,
            with(3, attr(4, &[80])),
            EINVAL,
        ),
        (
            "a scheduler's name without an end",
            NEW_SERVICE,
            with(4, attr(6, b"rr")),
            EINVAL,
        ),
        (
            "a scheduler's name of no bytes",
            NEW_SERVICE,
            with(4, attr(6, &[])),
            EINVAL,
        ),
        (
            "too long a scheduler's name",
            NEW_SERVICE,
            with(4, text(6, "aaaaaaaaaaaaaaaa")),
            EINVAL,
        ),
        (
            "an unknown scheduler",
            NEW_SERVICE,
            with(4, text(6, "nosuch")),
            ENOENT,
        ),
        (
            "a scheduler's name that is a path",
            NEW_SERVICE,
            with(4, text(6, "../../x")),
            ENOENT,
        ),
        (
            "flags of nine bytes",
            NEW_SERVICE,
            with(5, attr(7, &[0; 9])),
            EINVAL,
        ),
        (
            "an unknown persistence engine",
            NEW_SERVICE,
            with(7, [number(9, u32::MAX), text(11, "nosuch")].concat()),
            ENOENT,
        ),
        (
            "an IPv6 prefix of 0",
            NEW_SERVICE,
            vec![ipv6_service(0)],
            EINVAL,
        ),
        (
            "an IPv6 prefix of 129",
            NEW_SERVICE,
            vec![ipv6_service(129)],
            EINVAL,
        ),
        (
            "editing what is not there",
            SET_SERVICE,
            vec![service_with(81, "rr")],
            ESRCH,
        ),
        (
            "editing with an unknown scheduler",
            SET_SERVICE,
            vec![service_with(80, "nosuch")],
            ENOENT,
        ),
        ("editing half a service", SET_SERVICE, unwhole(4), EINVAL),
        (
            "deleting what is not there",
            DEL_SERVICE,
            vec![key(81)],
            ESRCH,
        ),
        ("deleting nothing", DEL_SERVICE, vec![], EINVAL),
        (
            "an unknown attribute in a service",
            SET_SERVICE,
            vec![nest(
                SERVICE,
                &[whole(80, "rr"), vec![attr(99, b"x")]].concat(),
            )],
            0,
        ),
        (
            "listing one that is not there",
            GET_SERVICE,
            vec![key(81)],
            ESRCH,
        ),
        ("listing one without a service", GET_SERVICE, vec![], EINVAL),
        ("zeroing what is not there", ZERO, vec![key(81)], ESRCH),
        (
            "zeroing an empty service",
            ZERO,
            vec![nest(SERVICE, &[])],
            EINVAL,
        ),
    ]
}
