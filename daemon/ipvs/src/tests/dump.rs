//! The order of dumps, and how a dump continues.

use super::fake::{Fixture, fwmark, service, tcp, v4};
use crate::{Family, ServiceKey};

/// Buckets computed by hand from `ip_vs_svc_hashkey` with a namespace pointer of 0.
#[test]
fn services_come_by_bucket_then_marks_by_bucket() {
    let udp = ServiceKey::Address {
        protocol: 17,
        addr: v4("10.0.0.1"),
        port: 80,
    };
    let expected = [
        (0, tcp("10.0.0.6:0")),           // 6 ^ 6
        (0, tcp("[0:0:0:1::7]:0")),       // 6 ^ (1 ^ 7)
        (1, tcp("10.0.0.7:0")),           // 6 ^ 7
        (5, tcp("[2001:db8::1]:443")),    // 6 ^ (0xb8 ^ 1) ^ 1 ^ 0xbb
        (5, tcp("10.0.0.1:512")),         // 6 ^ 1 ^ 2 ^ 0
        (6, tcp("10.0.0.0:0")),           // 6
        (64, udp),                        // 17 ^ 1 ^ 80
        (87, tcp("10.0.0.1:80")),         // 6 ^ 1 ^ 80
        (136, tcp("10.0.0.1:8080")),      // 6 ^ 1 ^ 0x1f ^ 0x90
        (256, fwmark(Family::Inet, 256)), // 0
        (257, fwmark(Family::Inet6, 1)),  // 1
        (511, fwmark(Family::Inet, 255)), // 255
    ];
    // Newest first within a bucket, so the last one is added first.
    let mut fixture = Fixture::default();
    for (_, key) in expected.iter().rev() {
        fixture.add(*key);
    }
    assert_eq!(fixture.dump(0), expected.map(|(_, key)| key));
}

#[test]
fn the_newest_of_a_bucket_comes_first() {
    let mut fixture = Fixture::default();
    let keys = [tcp("10.0.0.1:80"), tcp("10.0.1.1:80"), tcp("10.1.0.1:80")];
    for key in keys {
        fixture.add(key);
    }
    assert_eq!(fixture.dump(0), [keys[2], keys[1], keys[0]]);
    // Editing keeps the order; deleting and adding again changes it.
    let spec = service(keys[0]);
    fixture.table.edit_service(spec, &mut fixture.path).unwrap();
    assert_eq!(fixture.dump(0), [keys[2], keys[1], keys[0]]);
    fixture
        .table
        .delete_service(&keys[0], &mut fixture.path)
        .unwrap();
    fixture.add(keys[0]);
    assert_eq!(fixture.dump(0), [keys[0], keys[2], keys[1]]);
}

#[test]
fn a_dump_continues_at_its_position() {
    let mut fixture = Fixture::default();
    assert_eq!(fixture.dump(0), []);
    for port in 1..500 {
        fixture.add(tcp(&format!("10.0.0.1:{port}")));
        fixture.add(tcp(&format!("[2001:db8::1]:{port}")));
        fixture.add(fwmark(Family::Inet, port));
    }
    let all = fixture.dump(0);
    assert_eq!(all.len(), fixture.table.len());
    for index in 0..all.len() + 3 {
        assert_eq!(fixture.dump(index), all[index.min(all.len())..], "{index}");
    }
}
