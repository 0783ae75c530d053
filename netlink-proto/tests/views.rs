// SPDX-License-Identifier: GPL-2.0-only

//! The fields of the views: from which attribute, and in which byte order.

#![cfg(target_endian = "little")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use netlink_packet_ipvs::{
    Address, AddressFamily, ServiceFlags,
    policy::{
        CommandAttrs, CtrlFamilyAttrs, CtrlPolicyAttrs, DaemonAttrs, DestinationAttrs,
        PolicyErrorKind::{UnknownType, Unsupported},
        ServiceAttrs,
        Validation::Strict,
    },
};

/// An attribute with its padding.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut wire = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    wire.extend_from_slice(payload);
    wire.resize(wire.len().next_multiple_of(4), 0);
    wire
}

#[test]
fn the_last_of_two_counts_and_long_numbers_are_cut() {
    let bytes = [
        attribute(4, &[0, 80]),
        attribute(4, &[1, 187, 9, 9]),
        attribute(5, &[1, 0, 0, 0, 9, 9, 9, 9]),
        attribute(6, b"rr\0junk\0"),
        attribute(3, &[192, 0, 2, 1]),
        attribute(7, &[1, 0, 0, 0, 3, 0]),
        attribute(1, &[10, 0]),
    ]
    .concat();
    let view = ServiceAttrs::decode(&bytes).unwrap();
    assert_eq!(view.port, Some(443));
    assert_eq!(view.fwmark, Some(1));
    assert_eq!(view.sched_name, Some(&b"rr"[..]));
    assert_eq!(
        view.addr,
        Some(Address::from(std::net::Ipv4Addr::new(192, 0, 2, 1)))
    );
    assert_eq!(view.flags, Some(ServiceFlags { flags: 1, mask: 3 }));
    assert_eq!(view.af, Some(AddressFamily::Inet6));
    assert_eq!(view.protocol, None);
}

#[test]
fn each_field_is_read_from_its_attribute() {
    let byte = |kind| attribute(kind, &[u8::try_from(kind).unwrap(); 4]);
    let native = |kind: u16| Some(u32::from_ne_bytes([u8::try_from(kind).unwrap(); 4]));

    let bytes = [
        attribute(1, b"aaaa"),
        attribute(2, b"bbbb"),
        attribute(3, b""),
        byte(4),
        byte(5),
    ];
    let bytes = [bytes.concat(), byte(6), vec![7]].concat();
    let view = CommandAttrs::decode(&bytes).unwrap();
    let nests = (view.service, view.dest, view.daemon);
    assert_eq!(
        nests,
        (Some(&b"aaaa"[..]), Some(&b"bbbb"[..]), Some(&b""[..]))
    );
    let timeouts = (view.timeout_tcp, view.timeout_tcp_fin, view.timeout_udp);
    assert_eq!(timeouts, (native(4), native(5), native(6)));
    assert_eq!(view.leftover, 1);
    assert_eq!(
        view.warning(),
        Some("bytes leftover after parsing attributes")
    );

    let bytes: Vec<u8> = (3..=9).flat_map(byte).collect();
    let view = DestinationAttrs::decode(&bytes).unwrap();
    assert_eq!(
        [
            view.fwd_method,
            view.weight,
            view.u_thresh,
            view.l_thresh,
            view.active_conns
        ],
        [3, 4, 5, 6, 7].map(native)
    );
    assert_eq!([view.inact_conns, view.persist_conns], [8, 9].map(native));
    let bytes: Vec<u8> = [2, 11, 13, 14, 15]
        .iter()
        .flat_map(|kind| attribute(*kind, &[1, 2]))
        .collect();
    let view = DestinationAttrs::decode(&bytes).unwrap();
    assert_eq!((view.port, view.tun_port), (Some(0x0102), Some(0x0102)));
    assert_eq!((view.tun_flags, view.tun_type), (Some(0x0201), Some(1)));
    assert_eq!(view.addr_family, Some(AddressFamily::Other(0x0201)));

    let bytes = [
        attribute(1, &[2, 0, 0, 0]),
        attribute(2, b"eth0\0"),
        attribute(3, &[9, 0, 0, 0]),
        attribute(4, &[1, 2]),
        attribute(5, &[224, 0, 0, 81]),
        attribute(6, &[255; 16]),
        attribute(7, &[1, 2]),
        attribute(8, &[5]),
    ]
    .concat();
    let expected = DaemonAttrs {
        state: Some(2),
        mcast_ifn: Some(b"eth0"),
        sync_id: Some(9),
        sync_maxlen: Some(0x0201),
        mcast_group: Some([224, 0, 0, 81].into()),
        mcast_group6: Some([255; 16].into()),
        mcast_port: Some(0x0201),
        mcast_ttl: Some(5),
        leftover: 0,
    };
    assert_eq!(DaemonAttrs::decode(&bytes), Ok(expected));
}

#[test]
fn the_controllers_two_commands() {
    let name = attribute(2, b"IPVS\0");
    let id = attribute(1, &[16, 0]);
    let both = [id, name].concat();
    let view = CtrlFamilyAttrs::decode(&both).unwrap();
    assert_eq!(
        (view.family_id, view.family_name),
        (Some(16), Some(&b"IPVS"[..]))
    );
    // GETFAMILY ends at type 2 and skips others; GETPOLICY defines type 10 and refuses 3.
    let with_three = [both.clone(), attribute(3, &[1; 4])].concat();
    assert_eq!(CtrlFamilyAttrs::decode(&with_three), Ok(view));
    let strict = CtrlFamilyAttrs::decode_with(&with_three, Strict).unwrap_err();
    assert_eq!((strict.kind, strict.offset), (UnknownType, both.len()));
    let policy = CtrlPolicyAttrs::decode(&with_three).unwrap_err();
    assert_eq!((policy.kind, policy.attribute), (Unsupported, 3));
    let with_op = [both, attribute(10, &[5, 0, 0, 0])].concat();
    assert_eq!(CtrlPolicyAttrs::decode(&with_op).unwrap().op, Some(5));
}

#[test]
fn an_error_in_a_nest_is_found_in_the_message() {
    let inner = [attribute(1, &[1, 0, 0, 0]), attribute(8, b"")].concat();
    let message = [attribute(4, &[0; 4]), attribute(3, &inner)].concat();
    let daemon = CommandAttrs::decode(&message).unwrap().daemon.unwrap();
    let error = DaemonAttrs::decode(daemon).unwrap_err();
    assert_eq!(
        (error.offset, error.within(&message, daemon).offset),
        (8, 20)
    );
    assert_eq!(message[20..22], [4, 0]);
    // For another buffer, the error is unchanged.
    assert_eq!(error.within(&[], daemon), error);
}
