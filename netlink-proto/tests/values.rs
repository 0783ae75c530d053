// SPDX-License-Identifier: GPL-2.0-only

//! Values: their meaning, and invalid ones.

#![cfg(target_endian = "little")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use netlink_packet_core::{Emitable, NlaBuffer, Parseable};
use netlink_packet_ipvs::{
    Address, AddressFamily, ForwardMethod, IpvsAttr, ServiceAttr, ServiceFlags,
};

fn v4() -> Address {
    "192.0.2.1".parse::<std::net::IpAddr>().unwrap().into()
}

fn v6() -> Address {
    "2001:db8::1".parse::<std::net::IpAddr>().unwrap().into()
}

/// Some clients send an IPv4 address as 4 bytes; the answer has 16.
#[test]
fn a_short_address_is_filled_with_zeroes_and_kept_short() {
    let wire = [8, 0, 3, 0, 192, 0, 2, 1];
    let parsed = ServiceAttr::parse(&NlaBuffer::new_checked(&wire[..]).unwrap()).unwrap();
    assert_eq!(parsed, ServiceAttr::Addr(v4()));
    let mut emitted = vec![0; parsed.buffer_len()];
    parsed.emit(&mut emitted);
    assert_eq!(emitted, wire);
    assert_eq!(v4().to_ip(AddressFamily::Inet), "192.0.2.1".parse().ok());
    assert_eq!(v6().to_ip(AddressFamily::Inet6), "2001:db8::1".parse().ok());
    assert_eq!(v6().to_ip(AddressFamily::Other(1)), None);
}

#[test]
fn invalid_attributes_are_errors() {
    let parse = |wire: &[u8]| {
        let nla = NlaBuffer::new_checked(wire).unwrap();
        ServiceAttr::parse(&nla).map_err(|error| error.to_string())
    };
    let long = [&[21, 0, 3, 0][..], &[0; 17]].concat();
    assert!(parse(&long).unwrap_err().contains("at most 16"));
    assert!(
        parse(&[5, 0, 4, 0, 1])
            .unwrap_err()
            .contains("IPVS_SVC_ATTR 4")
    );
    // A nest that would be too long once its last attribute is padded.
    let mut longest = [255, 255, 1, 0, 251, 255, 99, 0].to_vec();
    longest.resize(65535, 1);
    assert!(IpvsAttr::parse(&NlaBuffer::new_checked(&longest[..]).unwrap()).is_err());
    // A nest that is shorter than its length.
    assert!(parse(&[8, 0, 10, 0, 9, 0, 1, 0]).is_err());
}

#[test]
fn flags_replace_those_of_the_mask() {
    let flags = ServiceFlags {
        flags: 0b0101,
        mask: 0b0011,
    };
    assert_eq!(flags.apply(0b1010), 0b1001);
    assert_eq!(
        ForwardMethod::from_masked(0xffff_fffb),
        ForwardMethod::Route
    );
    assert_eq!(ForwardMethod::from_masked(7), ForwardMethod::Other(7));
}
