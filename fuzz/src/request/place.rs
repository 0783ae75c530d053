//! Addresses and ports: few, so that requests meet each other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::Arbitrary;
use sockvs_ipvs::Family;

use crate::rare::Usual;

/// An address: one of a few, or any.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Host(Usual<[u8; 16]>);

impl Host {
    /// Those that the rules tell apart are among them.
    pub fn address(self, family: Family) -> IpAddr {
        const V4: [Ipv4Addr; 8] = [
            Ipv4Addr::new(10, 0, 0, 1),
            Ipv4Addr::new(10, 0, 0, 2),
            Ipv4Addr::new(10, 0, 0, 9),
            Ipv4Addr::new(10, 0, 0, 255),
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::BROADCAST,
            Ipv4Addr::new(224, 0, 0, 1),
            Ipv4Addr::LOCALHOST,
        ];
        const V6: [Ipv6Addr; 8] = [
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9),
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::UNSPECIFIED,
            Ipv6Addr::LOCALHOST,
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x0a00, 1),
        ];
        // The first ones, which every server can have, come more often.
        let among = |number: u8| {
            usize::from(if number < 0x80 {
                number % 2
            } else {
                number % 8
            })
        };
        match (self.0, family) {
            (Usual::Known(number), Family::Inet) => V4[among(number)].into(),
            (Usual::Known(number), Family::Inet6) => V6[among(number)].into(),
            (Usual::Any([a, b, c, d, ..]), Family::Inet) => Ipv4Addr::new(a, b, c, d).into(),
            (Usual::Any(octets), Family::Inet6) => Ipv6Addr::from(octets).into(),
        }
    }
}

/// A port: none, that of FTP, a few others, or any.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Port(Usual<u16>);

impl Port {
    /// Its number.
    pub fn number(self) -> u16 {
        match self.0 {
            Usual::Known(number) => [80, 0, 21, 443][usize::from(number % 4)],
            Usual::Any(number) => number,
        }
    }
}
