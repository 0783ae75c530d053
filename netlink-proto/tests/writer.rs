// SPDX-License-Identifier: GPL-2.0-only

//! The writer: padding, lengths, and attributes that are too long.

#![cfg(target_endian = "little")]

use netlink_packet_core::NetlinkHeader;
use netlink_packet_generic::GenlHeader;
use netlink_packet_ipvs::writer::Writer;

fn written(body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    body(&mut Writer::new(&mut bytes));
    bytes
}

#[test]
fn numbers_and_strings() {
    assert_eq!(written(|w| w.put_u8(1, 2)), [5, 0, 1, 0, 2, 0, 0, 0]);
    assert_eq!(written(|w| w.put_u16(1, 2)), [6, 0, 1, 0, 2, 0, 0, 0]);
    assert_eq!(written(|w| w.put_be16(1, 2)), [6, 0, 1, 0, 0, 2, 0, 0]);
    assert_eq!(written(|w| w.put_u32(1, 2)), [8, 0, 1, 0, 2, 0, 0, 0]);
    assert_eq!(
        written(|w| w.put_u64(1, 2)),
        [12, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(written(|w| w.put_string(1, b"")), [5, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(
        written(|w| w.put_string(1, b"abc")),
        [8, 0, 1, 0, 97, 98, 99, 0]
    );
    assert_eq!(
        written(|w| w.put_string(1, b"a\0bc")),
        [6, 0, 1, 0, 97, 0, 0, 0]
    );
    assert_eq!(written(|w| w.put(1, &[])), [4, 0, 1, 0]);
    assert_eq!(
        written(|w| w.nest(2, |w| w.nest(0x8003, |w| w.put_u8(1, 2)))),
        [16, 0, 2, 0, 12, 0, 3, 128, 5, 0, 1, 0, 2, 0, 0, 0]
    );
}

#[test]
fn a_message_is_appended_to_the_buffer() {
    let mut header = NetlinkHeader::default();
    header.message_type = 0x20;
    header.flags = 2;
    header.sequence_number = 3;
    header.port_number = 4;
    let mut bytes = vec![9];
    Writer::new(&mut bytes).message(header, GenlHeader { cmd: 5, version: 1 }, |w| {
        w.put_u8(6, 7)
    });
    let expected = [
        9, // what was there
        28, 0, 0, 0, 32, 0, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, // nlmsghdr
        5, 1, 0, 0, // genlmsghdr
        5, 0, 6, 0, 7, 0, 0, 0,
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn attributes_that_are_too_long_are_left_out() {
    let longest = vec![1; usize::from(u16::MAX) - 4];
    assert_eq!(written(|w| w.put(1, &longest)).len(), 65536);
    assert_eq!(written(|w| w.put(1, &[&longest[..], &[1]].concat())), []);
    let nest = written(|w| {
        w.put_u8(1, 1);
        w.nest(2, |w| w.put(1, &longest));
    });
    assert_eq!(nest, [5, 0, 1, 0, 1, 0, 0, 0]);
}
