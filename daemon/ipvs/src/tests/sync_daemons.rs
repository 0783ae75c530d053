//! Starting and stopping sync daemons.

use super::fake::{FakeHost, FakePath, Fixture, NS, tunnel};
use crate::{Error, SyncDaemonSpec, SyncState, Table};

fn spec(state: u32) -> SyncDaemonSpec {
    SyncDaemonSpec {
        state,
        interface: b"eth0".to_vec(),
        sync_id: 5,
        max_length: 0,
        group: None,
        port: 0,
        ttl: 0,
    }
}

fn start(table: &mut Table, spec: SyncDaemonSpec) -> Result<(), Error> {
    table.start_sync_daemon(spec, &FakeHost, &mut FakePath::default())
}

fn stop(table: &mut Table, state: u32) -> Result<(), Error> {
    table.stop_sync_daemon(state, &mut FakePath::default())
}

fn running(table: &Table) -> Vec<SyncState> {
    table.sync_daemons().map(|daemon| daemon.state()).collect()
}

#[test]
fn defaults_are_the_kernels() {
    let mut table = Table::new(NS);
    start(&mut table, spec(1)).unwrap();
    let daemon = table.sync_daemons().next().unwrap();
    assert_eq!(daemon.state(), SyncState::Master);
    assert_eq!(daemon.interface(), b"eth0");
    assert_eq!(daemon.sync_id(), 5);
    assert_eq!(daemon.group().to_string(), "224.0.0.81");
    assert_eq!(
        (daemon.port(), daemon.ttl(), daemon.max_length()),
        (8848, 1, 1472)
    );
}

#[test]
fn the_clients_configuration_is_kept() {
    let mut table = Table::new(NS);
    let given = SyncDaemonSpec {
        sync_id: u32::MAX,
        max_length: 1400,
        group: Some("ff05::1".parse().unwrap()),
        port: 9,
        ttl: 255,
        ..spec(2)
    };
    start(&mut table, given.clone()).unwrap();
    let daemon = table.sync_daemons().next().unwrap();
    assert_eq!(daemon.state(), SyncState::Backup);
    assert_eq!(daemon.sync_id(), u32::MAX);
    assert_eq!(Some(daemon.group()), given.group);
    assert_eq!(
        (daemon.port(), daemon.ttl(), daemon.max_length()),
        (9, 255, 1400)
    );
}

#[test]
fn the_largest_message_follows_state_group_and_mtu() {
    // (state, interface, IPv6 group, given, kept)
    let cases = [
        (1, "eth0", false, 0, 1472),
        (1, "eth0", true, 0, 1452),
        (1, "jumbo", false, 0, 1472),
        (1, "small", false, 0, 1472),
        (2, "eth0", false, 0, 1472),
        (2, "jumbo", false, 0, 8972),
        (2, "jumbo", true, 0, 8952),
        (2, "small", false, 0, 1472),
        (2, "lo", false, 0, 65507),
        (2, "lo", true, 0, 65487),
        (1, "eth0", false, 1, 1),
        (2, "eth0", false, 1, 1024),
        (2, "eth0", false, 1025, 1025),
        (1, "eth0", false, 65535, 65507),
        (2, "eth0", true, 65535, 65487),
    ];
    for case @ (state, interface, v6, max_length, kept) in cases {
        let mut table = Table::new(NS);
        let group = v6.then(|| "ff02::1".parse().unwrap());
        start(
            &mut table,
            SyncDaemonSpec {
                interface: interface.into(),
                group,
                max_length,
                ..spec(state)
            },
        )
        .unwrap();
        assert_eq!(
            table.sync_daemons().next().unwrap().max_length(),
            kept,
            "{case:?}"
        );
    }
}

#[test]
fn both_run_side_by_side_master_first() {
    let mut table = Table::new(NS);
    start(&mut table, spec(2)).unwrap();
    start(&mut table, spec(1)).unwrap();
    assert_eq!(running(&table), [SyncState::Master, SyncState::Backup]);
    stop(&mut table, 1).unwrap();
    assert_eq!(running(&table), [SyncState::Backup]);
    stop(&mut table, 2).unwrap();
    assert_eq!(running(&table), []);
}

#[test]
fn faults_are_reported_in_the_kernels_order() {
    let (mut fixture, key) = Fixture::with_service();
    start(&mut fixture.table, spec(1)).unwrap();
    let bad_group = Some("10.0.0.1".parse().unwrap());
    let nowhere = b"nowhere".to_vec();

    // Running, wrong interface, wrong group: one fault fewer each time.
    let mut wrong = SyncDaemonSpec {
        group: bad_group,
        interface: nowhere.clone(),
        ..spec(1)
    };
    let table = &mut fixture.table;
    let error = start(table, wrong.clone()).unwrap_err();
    assert_eq!(error.errno(), libc::EINVAL);
    assert!(matches!(error, Error::SyncGroupNotMulticast { .. }));
    wrong.group = None;
    let error = start(table, wrong.clone()).unwrap_err();
    assert_eq!(
        (error.errno(), &error),
        (libc::ENODEV, &Error::NoSuchInterface { name: nowhere })
    );
    wrong.interface = b"eth0".to_vec();
    let error = start(table, wrong).unwrap_err();
    let runs = Error::SyncDaemonRuns {
        state: SyncState::Master,
    };
    assert_eq!((error.errno(), error), (libc::EEXIST, runs));
    assert_eq!(running(table), [SyncState::Master]);

    // Mixed families are checked between group and interface.
    stop(table, 1).unwrap();
    fixture
        .try_destination(&key, tunnel("[2001:db8::2]:80"))
        .unwrap();
    let table = &mut fixture.table;
    let mut wrong = SyncDaemonSpec {
        group: bad_group,
        interface: b"nowhere".to_vec(),
        ..spec(1)
    };
    assert!(matches!(
        start(table, wrong.clone()),
        Err(Error::SyncGroupNotMulticast { .. })
    ));
    wrong.group = None;
    assert_eq!(start(table, wrong), Err(Error::SyncWithMixedFamilies));
    assert_eq!(Error::SyncWithMixedFamilies.errno(), libc::EINVAL);

    // Deleted ones in the trash do not count.
    fixture.delete_destination(&key, "[2001:db8::2]:80");
    start(&mut fixture.table, spec(1)).unwrap();
}

#[test]
fn an_invalid_state_is_reported_after_the_interface() {
    for raw in [0, 3, 4, u32::MAX] {
        let mut table = Table::new(NS);
        let wrong = SyncDaemonSpec {
            interface: b"nowhere".to_vec(),
            ..spec(raw)
        };
        assert_eq!(start(&mut table, wrong).unwrap_err().errno(), libc::ENODEV);
        let none = Error::NoSuchSyncState { raw };
        assert_eq!(none.errno(), libc::EINVAL);
        assert_eq!(start(&mut table, spec(raw)), Err(none.clone()));
        assert_eq!(stop(&mut table, raw), Err(none));
    }
}

#[test]
fn groups_are_multicast_of_either_family() {
    let cases = [
        ("224.0.0.1", true),
        ("239.1.2.3", true),
        ("223.255.255.255", false),
        ("0.0.0.0", false),
        ("ff02::1", true),
        ("fe80::1", false),
        ("::", false),
    ];
    for (group, multicast) in cases {
        let mut table = Table::new(NS);
        let group = Some(group.parse().unwrap());
        let started = start(&mut table, SyncDaemonSpec { group, ..spec(1) });
        assert_eq!(started.is_ok(), multicast, "{group:?}");
    }
}

#[test]
fn stopping_a_daemon_that_does_not_run_is_refused() {
    let mut table = Table::new(NS);
    start(&mut table, spec(1)).unwrap();
    let error = stop(&mut table, 2).unwrap_err();
    assert_eq!(
        error,
        Error::SyncDaemonNotRunning {
            state: SyncState::Backup
        }
    );
    assert_eq!(error.errno(), libc::ESRCH);
    assert_eq!(running(&table), [SyncState::Master]);
}

#[test]
fn starts_and_stops_are_passed_to_the_data_path() {
    let mut fixture = Fixture::default();
    let Fixture { table, path } = &mut fixture;
    table.start_sync_daemon(spec(2), &FakeHost, path).unwrap();
    let daemon = table.sync_daemons().next().cloned();
    table
        .start_sync_daemon(spec(2), &FakeHost, path)
        .unwrap_err();
    table.stop_sync_daemon(1, path).unwrap_err();
    table.stop_sync_daemon(2, path).unwrap();
    let heard = [
        (NS, SyncState::Backup, daemon),
        (NS, SyncState::Backup, None),
    ];
    assert_eq!(path.sync_daemons, heard);
}
