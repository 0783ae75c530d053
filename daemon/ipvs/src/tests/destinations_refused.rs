//! Errors when destinations are added, edited and deleted, and the order of checks.

use super::fake::{FakeHost, Fixture, destination, server, tcp, tunnel};
use crate::{DestinationSpec, Error, ForwardingMethod, SyncDaemonSpec, TunnelInfo};

/// A change that makes a request invalid, the error number, and its name.
type Fault = (fn(&mut DestinationSpec), i32, &'static str);

/// The checks that adding and editing share, in the kernel's order.
const FAULTS: [Fault; 5] = [
    (
        |spec| spec.key.addr = "2001:db8::2".parse().unwrap(),
        libc::EINVAL,
        "no tunnel",
    ),
    (|spec| spec.weight = -1, libc::ERANGE, "weight"),
    (
        |spec| spec.lower_threshold = u32::MAX,
        libc::ERANGE,
        "crossed",
    ),
    (|spec| spec.upper_threshold = 1 << 31, libc::EINVAL, "upper"),
    (|spec| spec.tunnel.kind = 1, libc::EINVAL, "tunnel port"),
];

fn name(error: &Error) -> &'static str {
    match error {
        Error::NoSuchService { .. } => "no service",
        Error::MixedFamiliesWhileSyncing { .. } => "syncing",
        Error::MixedFamiliesWithoutTunnel { .. } => "no tunnel",
        Error::NegativeWeight { .. } => "weight",
        Error::ThresholdsCrossed { .. } => "crossed",
        Error::UpperThresholdTooLarge { .. } => "upper",
        Error::TunnelWithoutPort { .. } => "tunnel port",
        Error::DestinationExists { .. } => "exists",
        Error::DestinationAddress { .. } => "address",
        Error::NoSuchDestination { .. } => "missing",
        _ => "other",
    }
}

fn sync(fixture: &mut Fixture) {
    let spec = SyncDaemonSpec {
        state: 1,
        interface: b"eth0".to_vec(),
        sync_id: 0,
        max_length: 0,
        group: None,
        port: 0,
        ttl: 0,
    };
    let Fixture { table, path } = fixture;
    table.start_sync_daemon(spec, &FakeHost, path).unwrap();
}

#[test]
fn the_first_of_two_faults_is_reported() {
    for (first, (spoil_first, errno, expected)) in FAULTS.into_iter().enumerate() {
        for (spoil_second, ..) in FAULTS.into_iter().skip(first) {
            let (mut fixture, key) = Fixture::with_service();
            fixture.add_destination(&key, "10.0.0.2:80");
            let before = fixture.snapshot();

            // Besides, one exists, one does not, and one has an impossible address.
            for at in ["10.0.0.2:80", "10.0.0.3:80", "224.0.0.1:80"] {
                let mut spec = destination(at);
                spoil_second(&mut spec);
                spoil_first(&mut spec);
                let added = fixture.try_destination(&key, spec).unwrap_err();
                assert_eq!(
                    (name(&added), added.errno()),
                    (expected, errno),
                    "adding {at}"
                );
                let edited = fixture
                    .table
                    .edit_destination(&key, spec, &mut fixture.path)
                    .unwrap_err();
                assert_eq!(edited, added, "editing {at}");
            }
            assert_eq!(fixture.snapshot(), before);
            assert_eq!(fixture.path.published.len(), 2);
        }
    }
}

#[test]
fn a_missing_service_is_reported_first() {
    let mut fixture = Fixture::default();
    let key = tcp("10.0.0.1:80");
    for (spoil, ..) in FAULTS {
        let mut spec = destination("10.0.0.2:80");
        spoil(&mut spec);
        let added = fixture.try_destination(&key, spec).unwrap_err();
        let edited = fixture
            .table
            .edit_destination(&key, spec, &mut fixture.path)
            .unwrap_err();
        assert_eq!((name(&added), added.errno()), ("no service", libc::ESRCH));
        assert_eq!(edited, added);
    }
}

#[test]
fn another_family_needs_a_tunnel() {
    for (service, at) in [
        ("10.0.0.1:80", "[2001:db8::2]:80"),
        ("[2001:db8::1]:80", "10.0.0.2:80"),
    ] {
        for raw in 0..8 {
            let mut fixture = Fixture::default();
            let key = tcp(service);
            fixture.add(key);
            let forwarding = ForwardingMethod::from_raw(raw);
            let added = fixture.try_destination(
                &key,
                DestinationSpec {
                    forwarding,
                    ..destination(at)
                },
            );
            assert_eq!(
                added.is_ok(),
                forwarding == ForwardingMethod::TUNNEL,
                "{at} {raw}"
            );
        }
    }
}

#[test]
fn while_a_sync_daemon_runs_another_family_is_refused() {
    let (mut fixture, key) = Fixture::with_service();
    sync(&mut fixture);
    // The weight is invalid, too, and there is no tunnel: this check comes first.
    for spec in [
        tunnel("[2001:db8::2]:80"),
        destination("[2001:db8::2]:80"),
        DestinationSpec {
            weight: -1,
            ..tunnel("[2001:db8::2]:80")
        },
    ] {
        let added = fixture.try_destination(&key, spec).unwrap_err();
        let edited = fixture
            .table
            .edit_destination(&key, spec, &mut fixture.path)
            .unwrap_err();
        assert_eq!((name(&added), added.errno()), ("syncing", libc::EINVAL));
        assert_eq!(edited, added);
    }
    fixture.add_destination(&key, "10.0.0.2:80");
    // Deleting has no such rule.
    let error = fixture
        .table
        .delete_destination(&key, &server("[2001:db8::2]:80"), &mut fixture.path)
        .unwrap_err();
    assert_eq!((name(&error), error.errno()), ("missing", libc::ENOENT));

    let Fixture { table, path } = &mut fixture;
    table.stop_sync_daemon(1, path).unwrap();
    fixture
        .try_destination(&key, tunnel("[2001:db8::2]:80"))
        .unwrap();
}

#[test]
fn bounds_are_the_kernels() {
    let gue = |port| TunnelInfo {
        kind: 1,
        port,
        flags: 0,
    };
    let base = destination("10.0.0.2:80");
    let cases = [
        (DestinationSpec { weight: 0, ..base }, None),
        (
            DestinationSpec {
                weight: i32::MIN,
                ..base
            },
            Some("weight"),
        ),
        (
            DestinationSpec {
                lower_threshold: 1,
                ..base
            },
            Some("crossed"),
        ),
        (
            DestinationSpec {
                lower_threshold: 5,
                upper_threshold: 5,
                ..base
            },
            None,
        ),
        (
            DestinationSpec {
                lower_threshold: 6,
                upper_threshold: 5,
                ..base
            },
            Some("crossed"),
        ),
        (
            DestinationSpec {
                upper_threshold: i32::MAX.unsigned_abs(),
                ..base
            },
            None,
        ),
        (
            DestinationSpec {
                upper_threshold: 1 << 31,
                ..base
            },
            Some("upper"),
        ),
        (
            DestinationSpec {
                upper_threshold: !0,
                lower_threshold: !0,
                ..base
            },
            Some("upper"),
        ),
        (
            DestinationSpec {
                tunnel: gue(0),
                ..base
            },
            Some("tunnel port"),
        ),
        (
            DestinationSpec {
                tunnel: gue(6080),
                ..base
            },
            None,
        ),
        (
            DestinationSpec {
                tunnel: TunnelInfo {
                    kind: 2,
                    port: 0,
                    flags: 0,
                },
                ..base
            },
            None,
        ),
    ];
    for (spec, expected) in cases {
        let (mut fixture, key) = Fixture::with_service();
        let refusal = fixture.try_destination(&key, spec).err();
        assert_eq!(refusal.as_ref().map(name), expected, "{spec:?}");
    }
}

#[test]
fn existing_ones_are_not_added_and_missing_ones_are_not_edited() {
    let (mut fixture, key) = Fixture::with_service();
    fixture.add_destination(&key, "10.0.0.2:80");
    let error = fixture
        .try_destination(&key, tunnel("10.0.0.2:80"))
        .unwrap_err();
    assert_eq!((name(&error), error.errno()), ("exists", libc::EEXIST));

    let spec = destination("10.0.0.2:81");
    let error = fixture
        .table
        .edit_destination(&key, spec, &mut fixture.path)
        .unwrap_err();
    assert_eq!((name(&error), error.errno()), ("missing", libc::ENOENT));
    let error = fixture
        .table
        .delete_destination(&key, &spec.key, &mut fixture.path)
        .unwrap_err();
    assert_eq!((name(&error), error.errno()), ("missing", libc::ENOENT));
}

#[test]
fn invalid_server_addresses_are_refused() {
    let cases = [
        ("10.0.0.1:80", "10.0.0.2:0", true),
        ("10.0.0.1:80", "10.0.0.9:80", true),
        ("10.0.0.1:80", "127.0.0.1:80", true),
        ("10.0.0.1:80", "240.0.0.1:80", true),
        ("10.0.0.1:80", "0.0.0.0:80", false),
        ("10.0.0.1:80", "10.0.0.255:80", false),
        ("10.0.0.1:80", "255.255.255.255:80", false),
        ("10.0.0.1:80", "224.0.0.1:80", false),
        ("[2001:db8::1]:80", "[2001:db8::2]:80", true),
        ("[2001:db8::1]:80", "[::1]:80", true),
        ("[2001:db8::1]:80", "[fec0::1]:80", true),
        ("[2001:db8::1]:80", "[fe80::1]:80", false),
        ("[2001:db8::1]:80", "[fe80::9]:80", true),
        ("[2001:db8::1]:80", "[ff02::1]:80", false),
        ("[2001:db8::1]:80", "[::]:80", false),
        ("[2001:db8::1]:80", "[::ffff:10.0.0.2]:80", false),
    ];
    for (service, at, possible) in cases {
        let mut fixture = Fixture::default();
        let key = tcp(service);
        fixture.add(key);
        match fixture.try_destination(&key, destination(at)) {
            Ok(_) => assert!(possible, "{at}"),
            Err(error) => {
                assert!(!possible, "{at}");
                assert_eq!(
                    (name(&error), error.errno()),
                    ("address", libc::EINVAL),
                    "{at}"
                );
            }
        }
    }
}
