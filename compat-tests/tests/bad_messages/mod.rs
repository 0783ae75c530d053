//! Wrong messages, and what the kernel says to each.

mod commands;
mod headers;
mod servers;
mod services;

use compat_tests::wire::{
    self, ACK, REQUEST, SERVICE, attr, generic, message, nest, number, short, text,
};

// IPVS_CMD_*
const NEW_SERVICE: u8 = 1;
const SET_SERVICE: u8 = 2;
const DEL_SERVICE: u8 = 3;
const GET_SERVICE: u8 = 4;
const NEW_DEST: u8 = 5;
const SET_DEST: u8 = 6;
const DEL_DEST: u8 = 7;
const GET_DEST: u8 = 8;
const NEW_DAEMON: u8 = 9;
const DEL_DAEMON: u8 = 10;
const SET_CONFIG: u8 = 12;
const SET_INFO: u8 = 14;
const GET_INFO: u8 = 15;
const ZERO: u8 = 16;
const FLUSH: u8 = 17;

const INET: u16 = 2;
const INET6: u16 = 10;

/// What comes back at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A verdict: an errno, or 0.
    Verdict(i32),
    /// The end of a list.
    EmptyList,
    /// Nothing.
    Silence,
}

/// A datagram and what it leads to.
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) datagram: Vec<u8>,
    pub(crate) expected: Expected,
}

/// What is wrong, the command, its attributes, and the verdict.
type Body = (&'static str, u8, Vec<Vec<u8>>, i32);

/// All of them. The table has a service 10.9.0.1:80 with a server 10.1.0.11:80.
pub(crate) fn cases(family: u16) -> Vec<Case> {
    let mut cases = headers::cases(family);
    let bodies = commands::cases()
        .into_iter()
        .chain(services::cases())
        .chain(servers::cases());
    cases.extend(bodies.map(|(what, command, attributes, expected)| Case {
        what,
        datagram: message(family, REQUEST | ACK, 1, &generic(command, &attributes)),
        expected: Expected::Verdict(expected),
    }));
    cases
}

/// What a service is found by: TCP 10.9.0.1.
fn key(port: u16) -> Vec<u8> {
    nest(SERVICE, &whole(port, "rr")[..4])
}

/// A new service.
pub(crate) fn service_with(port: u16, scheduler: &str) -> Vec<u8> {
    nest(SERVICE, &whole(port, scheduler))
}

/// The attributes of a new service, in the order of their numbers.
fn whole(port: u16, scheduler: &str) -> Vec<Vec<u8>> {
    vec![
        short(1, INET),
        short(2, wire::TCP),
        attr(3, &[10, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        attr(4, &port.to_be_bytes()),
        text(6, scheduler),
        attr(7, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        number(8, 0),
        number(9, u32::MAX),
    ]
}

/// A new IPv6 service with this prefix length.
fn ipv6_service(prefix: u32) -> Vec<u8> {
    let mut parts = whole(80, "rr");
    parts[0] = short(1, INET6);
    parts[7] = number(9, prefix);
    nest(SERVICE, &parts)
}

/// A server 10.1.0.11, masqueraded for, of weight 1.
fn server(port: u16) -> Vec<Vec<u8>> {
    vec![
        attr(1, &[10, 1, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        attr(2, &port.to_be_bytes()),
        number(3, 0),
        number(4, 1),
        number(5, 0),
        number(6, 0),
    ]
}
