//! Destinations that were deleted and added again.

use std::time::Duration;

use super::fake::{Fixture, conns, destination, fwmark, read, service, tcp, tunnel};
use crate::{
    DestinationId, DestinationReading, DestinationSpec, Error, Family, ServiceKey, ServiceSpec,
    TRASH_PERIOD,
};

const SERVER: &str = "10.0.0.2:80";

fn shown(fixture: &Fixture, key: &ServiceKey) -> u64 {
    let destination = fixture.service(key).destinations().next().unwrap();
    fixture
        .table
        .destination_reading(destination, &fixture.path)
        .stats
        .conns
}

#[test]
fn the_same_service_gets_its_destination_back_with_its_counters() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.add_destination(&key, SERVER);
    fixture.path.destinations.insert(id, read(conns(10)));
    fixture.table.zero_service(&key, &mut fixture.path).unwrap();
    fixture.path.destinations.insert(id, read(conns(4)));

    fixture.delete_destination(&key, SERVER);
    assert!(fixture.table.has_trash());
    let spec = DestinationSpec {
        weight: 8,
        ..tunnel(SERVER)
    };
    assert_eq!(fixture.try_destination(&key, spec), Ok(id));
    assert!(!fixture.table.has_trash());
    assert_eq!(
        fixture
            .service(&key)
            .destination(&spec.key)
            .unwrap()
            .weight(),
        8
    );
    assert_eq!(shown(&fixture, &key), 4);
}

#[test]
fn a_new_service_with_the_same_key_gets_it_back_without_its_counters() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.add_destination(&key, SERVER);
    fixture.path.destinations.insert(id, read(conns(10)));
    fixture
        .table
        .delete_service(&key, &mut fixture.path)
        .unwrap();
    fixture.add(key);
    assert_eq!(fixture.add_destination(&key, SERVER), id);
    assert_eq!(shown(&fixture, &key), 0);
    // It belongs to this service from now on.
    fixture.path.destinations.insert(id, read(conns(3)));
    fixture.delete_destination(&key, SERVER);
    assert_eq!(fixture.add_destination(&key, SERVER), id);
    assert_eq!(shown(&fixture, &key), 3);
}

#[test]
fn flushing_fills_the_trash_too() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.add_destination(&key, SERVER);
    fixture.table.flush(&mut fixture.path);
    fixture.add(key);
    assert_eq!(fixture.add_destination(&key, SERVER), id);
}

#[test]
fn other_keys_are_not_restored_from_the_trash() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.add_destination(&key, SERVER);
    fixture.delete_destination(&key, SERVER);
    let udp = ServiceKey::Address {
        protocol: 17,
        addr: "10.0.0.1".parse().unwrap(),
        port: 80,
    };
    let others = [
        tcp("10.0.0.1:81"),
        tcp("10.0.0.3:80"),
        udp,
        fwmark(Family::Inet, 1),
        tcp("[::1]:80"),
    ];
    for other in others {
        fixture.add(other);
        assert_ne!(
            fixture.try_destination(&other, tunnel(SERVER)),
            Ok(id),
            "{other}"
        );
    }
    assert_ne!(fixture.add_destination(&key, "10.0.0.2:81"), id);
    assert_ne!(fixture.add_destination(&key, "10.0.0.3:80"), id);
    assert_eq!(fixture.add_destination(&key, SERVER), id);
}

#[test]
fn a_mark_service_gets_back_destinations_of_the_same_mark_in_any_family() {
    let mut fixture = Fixture::default();
    let [inet, inet6] = [Family::Inet, Family::Inet6].map(|family| fwmark(family, 1));
    let other = fwmark(Family::Inet, 2);
    for key in [inet, inet6, other] {
        fixture.add(key);
    }
    let id = fixture.add_destination(&inet, SERVER);
    fixture.path.destinations.insert(id, read(conns(5)));
    fixture.delete_destination(&inet, SERVER);
    assert_ne!(fixture.add_destination(&other, SERVER), id);
    assert_eq!(fixture.try_destination(&inet6, tunnel(SERVER)), Ok(id));
    assert_eq!(shown(&fixture, &inet6), 0);
}

#[test]
fn the_last_deleted_one_is_restored_first() {
    let mut fixture = Fixture::default();
    let [inet, inet6] = [Family::Inet, Family::Inet6].map(|family| fwmark(family, 1));
    fixture.add(inet);
    fixture.add(inet6);
    let first = fixture.add_destination(&inet, SERVER);
    let second = fixture.try_destination(&inet6, tunnel(SERVER)).unwrap();
    fixture.delete_destination(&inet, SERVER);
    fixture
        .table
        .delete_service(&inet6, &mut fixture.path)
        .unwrap();
    assert_eq!(fixture.add_destination(&inet, SERVER), second);
    fixture.add(inet6);
    assert_eq!(fixture.try_destination(&inet6, tunnel(SERVER)), Ok(first));
}

#[test]
fn restored_destinations_are_checked_except_for_the_address() {
    let (mut fixture, key) = Fixture::with_service();
    fixture.add_destination(&key, SERVER);
    fixture.delete_destination(&key, SERVER);
    let before = fixture.snapshot();
    let spec = DestinationSpec {
        weight: -1,
        ..destination(SERVER)
    };
    let error = fixture.try_destination(&key, spec).unwrap_err();
    assert!(matches!(error, Error::NegativeWeight { .. }));
    assert_eq!(fixture.snapshot(), before);

    struct Nowhere;
    impl crate::Host for Nowhere {
        fn address_type(&self, _: std::net::Ipv4Addr) -> crate::RouteType {
            crate::RouteType::Broadcast
        }
        fn is_local_v6(&self, _: std::net::Ipv6Addr) -> bool {
            false
        }
        fn interface_mtu(&self, _: &[u8]) -> Option<u32> {
            None
        }
    }
    let (table, path) = (&mut fixture.table, &mut fixture.path);
    assert!(
        table
            .add_destination(&key, destination(SERVER), &Nowhere, path)
            .is_ok()
    );
}

#[test]
fn unused_destinations_expire_after_the_period() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.add_destination(&key, SERVER);
    fixture.delete_destination(&key, SERVER);

    let start = Duration::from_secs(1000);
    let half = TRASH_PERIOD / 2;
    for (step, expected) in [(0, vec![]), (1, vec![]), (2, vec![id]), (3, vec![])] {
        let dropped = fixture
            .table
            .expire_trash(start + half * step, &fixture.path);
        assert_eq!(dropped, expected, "{step}");
    }
    assert!(!fixture.table.has_trash());
    assert_ne!(fixture.add_destination(&key, SERVER), id);
}

#[test]
fn destinations_in_use_do_not_expire() {
    let uses = [
        DestinationReading {
            active: 1,
            ..DestinationReading::default()
        },
        DestinationReading {
            inactive: 1,
            ..DestinationReading::default()
        },
        DestinationReading {
            persistent: 1,
            ..DestinationReading::default()
        },
    ];
    for reading in uses {
        let (mut fixture, key) = Fixture::with_service();
        let id = fixture.add_destination(&key, SERVER);
        fixture.path.destinations.insert(id, reading);
        fixture.delete_destination(&key, SERVER);
        let nothing: [DestinationId; 0] = [];
        for hour in 0..9 {
            let now = Duration::from_secs(3600 * hour);
            assert_eq!(fixture.table.expire_trash(now, &fixture.path), nothing);
        }
        // The period starts when it is first seen unused.
        fixture.path.destinations.remove(&id);
        let now = Duration::from_secs(3600 * 10);
        assert_eq!(fixture.table.expire_trash(now, &fixture.path), nothing);
        assert_eq!(
            fixture
                .table
                .expire_trash(now + TRASH_PERIOD, &fixture.path),
            [id]
        );
    }
}

#[test]
fn the_period_restarts_with_each_deletion() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.add_destination(&key, SERVER);
    fixture.delete_destination(&key, SERVER);
    fixture.table.expire_trash(Duration::ZERO, &fixture.path);
    fixture.add_destination(&key, SERVER);
    fixture.delete_destination(&key, SERVER);
    let now = TRASH_PERIOD * 2;
    assert_eq!(fixture.table.expire_trash(now, &fixture.path), []);
    assert_eq!(
        fixture
            .table
            .expire_trash(now + TRASH_PERIOD, &fixture.path),
        [id]
    );
}

#[test]
fn an_edited_service_is_still_the_same() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.add_destination(&key, SERVER);
    fixture.path.destinations.insert(id, read(conns(10)));
    fixture.delete_destination(&key, SERVER);
    let spec = ServiceSpec {
        scheduler: b"wrr".to_vec(),
        ..service(key)
    };
    fixture.table.edit_service(spec, &mut fixture.path).unwrap();
    fixture.add_destination(&key, SERVER);
    assert_eq!(shown(&fixture, &key), 10);
}
