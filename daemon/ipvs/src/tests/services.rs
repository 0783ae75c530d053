//! Adding, editing and deleting services, with valid requests.

use super::fake::{Fixture, NS, fwmark, service, tcp};
use crate::{
    Cause, Destination, Family, Netmask, PersistenceEngine, Scheduler, Service, ServiceFlags,
    ServiceSpec,
};

#[test]
fn a_service_has_the_clients_configuration() {
    let mut fixture = Fixture::default();
    let key = tcp("10.0.0.1:80");
    let spec = ServiceSpec {
        scheduler: b"wrr".to_vec(),
        persistence_engine: Some(b"sip".to_vec()),
        flags: 0x1,
        timeout: 360,
        netmask: Netmask(0xff),
        ..service(key)
    };
    let id = fixture.table.add_service(spec, &mut fixture.path).unwrap();

    let service = fixture.service(&key);
    assert_eq!(service.id(), id);
    assert_eq!(service.key(), &key);
    assert_eq!(service.scheduler(), Scheduler::WeightedRoundRobin);
    assert_eq!(service.persistence_engine(), Some(PersistenceEngine::Sip));
    assert_eq!(service.flags(), ServiceFlags(0x1 | 0x2));
    assert!(service.is_persistent());
    assert_eq!(service.timeout(), 360);
    assert_eq!(service.timeout_ticks(), 360 * 250);
    assert_eq!(service.netmask(), Netmask(0xff));
    assert_eq!(service.destinations().len(), 0);
    assert_eq!(
        fixture.path.published,
        [(NS, service.clone(), Cause::ServiceAdded)]
    );
}

#[test]
fn flags_are_merged_by_the_mask_and_always_hashed() {
    // (flags and mask when adding, flags and mask when editing, added, edited)
    let cases = [
        ((0, !0), (0, !0), 0x2, 0x2),
        ((0x1, 0x1), (0, 0), 0x3, 0x3),
        ((0x1, 0), (0x1, 0x1), 0x2, 0x3),
        ((0x3d, !0), (0, 0x1), 0x3f, 0x3e),
        ((0x1, !0), (0x4, 0x4), 0x3, 0x7),
        ((0x1, !0), (0x4, !0), 0x3, 0x6),
        ((0x2, !0), (0, 0x2), 0x2, 0x2),
        ((0xffff_0000, !0), (0, 0), 0xffff_0002, 0xffff_0002),
    ];
    for case @ (add, edit, added, edited) in cases {
        let mut fixture = Fixture::default();
        let key = tcp("10.0.0.1:80");
        let spec = ServiceSpec {
            flags: add.0,
            mask: add.1,
            ..service(key)
        };
        fixture.table.add_service(spec, &mut fixture.path).unwrap();
        assert_eq!(
            fixture.service(&key).flags(),
            ServiceFlags(added),
            "{case:?}"
        );
        let spec = ServiceSpec {
            flags: edit.0,
            mask: edit.1,
            ..service(key)
        };
        fixture.table.edit_service(spec, &mut fixture.path).unwrap();
        assert_eq!(
            fixture.service(&key).flags(),
            ServiceFlags(edited),
            "{case:?}"
        );
    }
}

#[test]
fn the_timeout_wraps_like_jiffies() {
    // 2^32 / 250 = 17179869.184
    let cases = [
        (0, 0),
        (1, 1),
        (17_179_869, 17_179_869),
        (17_179_870, 0),
        (17_179_874, 4),
    ];
    for (given, shown) in cases {
        let (mut fixture, key) = Fixture::with_service();
        let spec = ServiceSpec {
            timeout: given,
            ..service(key)
        };
        fixture.table.edit_service(spec, &mut fixture.path).unwrap();
        assert_eq!(fixture.service(&key).timeout(), shown, "{given}");
    }
    let (mut fixture, key) = Fixture::with_service();
    let spec = ServiceSpec {
        timeout: 17_179_870,
        ..service(key)
    };
    fixture.table.edit_service(spec, &mut fixture.path).unwrap();
    assert_eq!(fixture.service(&key).timeout_ticks(), 204);
}

#[test]
fn editing_replaces_the_settings_and_keeps_the_rest() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.service(&key).id();
    let server = fixture.add_destination(&key, "10.0.0.2:80");
    let spec = ServiceSpec {
        scheduler: b"wrr".to_vec(),
        timeout: 9,
        ..service(key)
    };
    fixture.table.edit_service(spec, &mut fixture.path).unwrap();

    let service = fixture.service(&key);
    assert_eq!((service.id(), service.timeout()), (id, 9));
    assert_eq!(service.scheduler(), Scheduler::WeightedRoundRobin);
    assert_eq!(
        service.destinations().map(|d| d.id()).collect::<Vec<_>>(),
        [server]
    );
    assert_eq!(fixture.path.last().0, service);
}

#[test]
fn an_edit_rebinds_only_another_scheduler() {
    let (mut fixture, key) = Fixture::with_service();
    for (scheduler, rebound) in [
        ("rr", false),
        ("wrr", true),
        ("none", true),
        ("none", false),
    ] {
        let spec = ServiceSpec {
            scheduler: scheduler.into(),
            ..service(key)
        };
        fixture.table.edit_service(spec, &mut fixture.path).unwrap();
        assert_eq!(
            fixture.path.last().1,
            Cause::ServiceEdited { rebound },
            "{scheduler}"
        );
    }
}

#[test]
fn a_deleted_service_is_withdrawn_and_its_id_not_used_again() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.service(&key).id();
    fixture
        .table
        .delete_service(&key, &mut fixture.path)
        .unwrap();
    assert!(fixture.table.is_empty());
    assert_eq!(fixture.path.withdrawn, [(NS, key)]);
    assert_ne!(fixture.add(key), id);
}

#[test]
fn flushing_withdraws_all_in_dump_order() {
    let mut fixture = Fixture::default();
    for key in [
        fwmark(Family::Inet, 1),
        tcp("10.0.0.1:80"),
        tcp("10.0.9.1:80"),
    ] {
        fixture.add(key);
    }
    let order: Vec<_> = fixture.dump(0).into_iter().map(|key| (NS, key)).collect();
    fixture.table.flush(&mut fixture.path);
    assert!(fixture.table.is_empty());
    assert_eq!(fixture.path.withdrawn, order);
    fixture.table.flush(&mut fixture.path);
    assert_eq!(fixture.path.withdrawn.len(), 3);
}

#[test]
fn different_keys_are_different_services() {
    let mut fixture = Fixture::default();
    let keys = [
        tcp("10.0.0.1:80"),
        tcp("10.0.0.1:81"),
        tcp("10.0.0.2:80"),
        tcp("[::ffff:10.0.0.1]:80"),
        fwmark(Family::Inet, 1),
        fwmark(Family::Inet6, 1),
        fwmark(Family::Inet, 0),
        fwmark(Family::Inet6, 0),
    ];
    for key in keys {
        fixture.add(key);
    }
    assert_eq!(fixture.table.len(), keys.len());
    for key in keys {
        assert_eq!(fixture.service(&key).key(), &key);
    }
}

#[test]
fn a_hundred_thousand_services_with_five_servers_each_use_little_memory() {
    assert!(size_of::<Service>() <= 80, "{}", size_of::<Service>());
    assert!(size_of::<Destination>() <= 40);
}
