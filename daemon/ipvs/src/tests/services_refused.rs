//! Errors when services are added, edited and deleted, and the order of checks.

use super::fake::{Fixture, fwmark, server, service, tcp};
use crate::{DataPathFull, Error, Family, Netmask, ServiceSpec};

/// A change that makes a request invalid, the error number, and its name.
type Fault = (fn(&mut ServiceSpec), i32, &'static str);

/// In the order of the kernel's checks.
const FAULTS: [Fault; 3] = [
    (
        |spec| spec.scheduler = b"nope".to_vec(),
        libc::ENOENT,
        "scheduler",
    ),
    (
        |spec| spec.persistence_engine = Some(b"nope".to_vec()),
        libc::ENOENT,
        "engine",
    ),
    (|spec| spec.netmask = Netmask(0), libc::EINVAL, "prefix"),
];

fn name(error: &Error) -> &'static str {
    match error {
        Error::NoSuchScheduler { .. } => "scheduler",
        Error::NoSuchPersistenceEngine { .. } => "engine",
        Error::PrefixLength { .. } => "prefix",
        Error::ServiceExists { .. } => "exists",
        Error::NoSuchService { .. } => "missing",
        _ => "other",
    }
}

#[test]
fn adding_an_existing_service_is_refused_first() {
    let (mut fixture, key) = Fixture::with_service();
    let before = fixture.snapshot();
    for (spoil, ..) in FAULTS {
        let mut spec = service(key);
        spoil(&mut spec);
        let error = fixture
            .table
            .add_service(spec, &mut fixture.path)
            .unwrap_err();
        assert_eq!(error, Error::ServiceExists { service: key });
        assert_eq!(error.errno(), libc::EEXIST);
    }
    assert_eq!(fixture.snapshot(), before);
}

#[test]
fn requests_about_a_missing_service_are_refused_first() {
    let mut fixture = Fixture::default();
    let key = tcp("10.0.0.1:80");
    let missing = Error::NoSuchService { service: key };
    assert_eq!(missing.errno(), libc::ESRCH);

    let mut spec = service(key);
    spec.scheduler = b"nope".to_vec();
    let (table, path) = (&mut fixture.table, &mut fixture.path);
    assert_eq!(table.edit_service(spec, path), Err(missing.clone()));
    assert_eq!(table.delete_service(&key, path), Err(missing.clone()));
    assert_eq!(table.zero_service(&key, path), Err(missing.clone()));
    assert_eq!(
        table.delete_destination(&key, &server("10.0.0.2:80"), path),
        Err(missing)
    );
}

#[test]
fn the_first_of_two_faults_is_reported_when_adding_and_editing() {
    let key = tcp("[2001:db8::1]:80");
    for (first, (spoil_first, errno, expected)) in FAULTS.into_iter().enumerate() {
        for (spoil_second, ..) in FAULTS.into_iter().skip(first) {
            let mut spec = service(key);
            spoil_first(&mut spec);
            spoil_second(&mut spec);

            let mut fixture = Fixture::default();
            let error = fixture
                .table
                .add_service(spec.clone(), &mut fixture.path)
                .unwrap_err();
            assert_eq!((name(&error), error.errno()), (expected, errno));
            assert!(fixture.table.is_empty());

            fixture.add(key);
            let before = fixture.snapshot();
            let error = fixture
                .table
                .edit_service(spec, &mut fixture.path)
                .unwrap_err();
            assert_eq!((name(&error), error.errno()), (expected, errno));
            assert_eq!(fixture.snapshot(), before);
            assert_eq!(fixture.path.published.len(), 1);
        }
    }
}

#[test]
fn a_prefix_length_is_from_1_to_128_and_a_mask_is_anything() {
    let cases = [
        (0, false),
        (1, true),
        (64, true),
        (128, true),
        (129, false),
        (!0, false),
    ];
    for (mask, valid_v6) in cases {
        for key in [
            tcp("[2001:db8::1]:80"),
            fwmark(Family::Inet6, 1),
            tcp("10.0.0.1:80"),
        ] {
            let mut fixture = Fixture::default();
            let spec = ServiceSpec {
                netmask: Netmask(mask),
                ..service(key)
            };
            let added = fixture.table.add_service(spec, &mut fixture.path);
            let valid = valid_v6 || key.family() == Family::Inet;
            assert_eq!(added.is_ok(), valid, "{key} {mask}");
        }
    }
}

#[test]
fn an_empty_engine_name_is_none_and_an_empty_scheduler_name_is_unknown() {
    let (mut fixture, key) = Fixture::with_service();
    let spec = ServiceSpec {
        persistence_engine: Some(Vec::new()),
        ..service(key)
    };
    fixture.table.edit_service(spec, &mut fixture.path).unwrap();
    assert_eq!(fixture.service(&key).persistence_engine(), None);

    let spec = ServiceSpec {
        scheduler: Vec::new(),
        ..service(key)
    };
    let error = fixture
        .table
        .edit_service(spec, &mut fixture.path)
        .unwrap_err();
    assert_eq!((name(&error), error.errno()), ("scheduler", libc::ENOENT));
}

#[test]
fn a_full_data_path_leaves_the_table_unchanged() {
    for (reason, errno) in [
        (DataPathFull::NoMemory, libc::ENOMEM),
        (DataPathFull::NoSpace, libc::ENOSPC),
    ] {
        let (mut fixture, key) = Fixture::with_service();
        let before = fixture.snapshot();
        fixture.path.refuses = Some(reason);
        let (table, path) = (&mut fixture.table, &mut fixture.path);

        let other = tcp("10.0.0.2:80");
        let error = table.add_service(service(other), path).unwrap_err();
        assert_eq!(
            error,
            Error::DataPath {
                service: other,
                reason
            }
        );
        assert_eq!(error.errno(), errno);

        let spec = ServiceSpec {
            scheduler: b"wrr".to_vec(),
            timeout: 5,
            ..service(key)
        };
        let error = table.edit_service(spec, path).unwrap_err();
        assert_eq!(
            error,
            Error::DataPath {
                service: key,
                reason
            }
        );
        assert_eq!(fixture.snapshot(), before);
    }
}
