//! A table that is as large as it may be: the client is told, nothing is lost, and there is one
//! warning.

use std::{net::IpAddr, ops::RangeInclusive, thread, time::Duration};

use compat_tests::{Testbed, application::Socket, eventually::eventually, usage};
use nix::errno::Errno;

const LIMITS: [&str; 6] = [
    "--max-services",
    "3",
    "--max-servers",
    "4",
    "--max-clients",
    "2",
];

#[test]
fn services_and_servers_beyond_the_limit_are_refused_and_the_others_serve() {
    let testbed = Testbed::with_options(&LIMITS);
    let _server = testbed.server("A", "127.0.0.11:80");
    for number in 1..=3 {
        testbed.ipvsadm(&format!("-A -t 10.9.0.{number}:80 -s rr"));
    }
    for number in [11, 12, 13, 14] {
        testbed.ipvsadm(&format!("-a -t 10.9.0.1:80 -r 127.0.0.{number}:80 -m"));
    }
    let table = testbed.client().saved();
    for refused in [
        "-A -t 10.9.0.4:80 -s rr",
        "-A -f 7 -s wrr",
        "-a -t 10.9.0.1:80 -r 127.0.0.15:80 -m",
        "-a -t 10.9.0.2:80 -r 127.0.0.15:80 -m",
    ] {
        let outcome = testbed.client().try_ipvsadm(refused);
        assert!(!outcome.status.success(), "{refused}: {outcome}");
        assert_eq!(testbed.client().saved(), table, "after {refused}");
    }
    let log = testbed.daemon.log();
    for option in ["--max-services", "--max-servers"] {
        assert_eq!(log.matches(option).count(), 1, "{option} in\n{log}");
    }
    for number in [12, 13, 14] {
        testbed.ipvsadm(&format!("-d -t 10.9.0.1:80 -r 127.0.0.{number}:80"));
    }
    assert_eq!(
        testbed.application().connect_many("10.9.0.1:80", 2),
        ["A"; 2]
    );
    testbed.ipvsadm("-D -t 10.9.0.2:80");
    testbed.ipvsadm("-A -t 10.9.0.4:80 -s rr");
}

#[test]
fn a_new_limit_applies_from_the_next_start_but_never_below_what_exists() {
    let mut testbed = Testbed::with_options(&LIMITS);
    let _server = testbed.server("A", "127.0.0.11:80");
    for number in 1..=3 {
        testbed.ipvsadm(&format!("-A -t 10.9.0.{number}:80 -s rr"));
    }
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m");
    for (most, more) in [("300", 100), ("3", 0)] {
        let table = testbed.client().saved();
        testbed.daemon.kill();
        testbed.daemon.set_option("--max-services", most);
        testbed.daemon.start_again();
        assert_eq!(testbed.client().saved(), table, "room for {most}");
        for number in 1..=more {
            testbed.ipvsadm(&format!("-A -t 10.9.1.{number}:80 -s rr"));
        }
        let reached = testbed.application().connect_many("10.9.0.1:80", 2);
        assert_eq!(reached, ["A"; 2], "room for {most}");
    }
    let outcome = testbed.client().try_ipvsadm("-A -t 10.9.0.4:80 -s rr");
    assert!(!outcome.status.success(), "{outcome}");
}

#[test]
fn a_persistent_client_beyond_the_limit_is_balanced_and_others_keep_their_servers() {
    let testbed = Testbed::with_options(&["--max-clients", "4"]);
    let _servers = [("A", 11), ("B", 12)]
        .map(|(name, host)| testbed.server(name, &format!("127.0.0.{host}:80")));
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr -p 60");
    for host in [11, 12] {
        testbed.ipvsadm(&format!("-a -t 10.9.0.1:80 -r 127.0.0.{host}:80 -m"));
    }
    let mut application = testbed.application();
    let from = |client| Socket::From(IpAddr::from([127, 0, 1, client]));
    // Their connections stay, and so do they.
    let kept = [1, 2, 3, 4].map(|client| {
        let id = client.to_string();
        let reached = application.open_by(from(client), &id, "10.9.0.1:80");
        reached.expect("there are servers")
    });
    // Longer than it takes the daemon to look for clients that can go.
    for _ in 0..4 {
        let mut reached = |client| application.connect_by(from(client), "10.9.0.1:80");
        for client in 5..=8 {
            let mut servers: Vec<_> = (0..2).map(|_| reached(client)).collect();
            servers.sort_unstable_by_key(|reached| reached.clone().ok());
            let expected = ["A", "B"].map(|name| Ok::<_, Errno>(name.to_owned()));
            assert_eq!(servers, expected, "client {client} is held to no server");
        }
        for (client, server) in (1..).zip(&kept) {
            let again: Vec<_> = (0..3).map(|_| reached(client)).collect();
            assert_eq!(again, vec![Ok(server.clone()); 3], "client {client}");
        }
        thread::sleep(Duration::from_secs(2));
    }
}

#[test]
fn by_default_there_is_room_for_a_million_connections_of_one_user() {
    let testbed = Testbed::new();
    // One who is not root leaves a tenth of what is beyond the array, and a third of the flows.
    let (_, most) = usage::of(&testbed.daemon, usage::CONNECTIONS);
    assert!(most / 10 * 9 + 65_536 >= 1_000_000, "{most} connections");
    let (_, most) = usage::of(&testbed.daemon, usage::FLOWS);
    assert!(most / 3 * 2 >= 300_000, "{most} flows");
}

#[test]
fn limits_that_fit_into_the_maps_of_an_earlier_daemon_are_applied_and_the_others_are_told() {
    let options = ["--max-clients", "2000", "--max-connections", "100000"];
    let mut testbed = Testbed::with_options(&options);
    let mut start_with = |clients: &str, connections: &str| {
        testbed.daemon.stop();
        testbed.daemon.set_option("--max-clients", clients);
        testbed.daemon.set_option("--max-connections", connections);
        let before = testbed.daemon.log().len();
        testbed.daemon.start_again();
        let most = [usage::CLIENTS, usage::CONNECTIONS].map(|of| usage::of(&testbed.daemon, of).1);
        (testbed.daemon.log()[before..].to_owned(), most)
    };
    let (log, most) = start_with("100", "80000");
    assert_eq!(most, [100, 80_000 - 65_536], "smaller limits hold");
    assert!(!log.contains("--max-c"), "nothing is to be told:\n{log}");
    let (log, most) = start_with("5000", "200000");
    assert_eq!(most, [2000, 100_000 - 65_536], "all that there is room for");
    for option in ["--max-clients", "--max-connections"] {
        assert!(log.contains(option), "{option} cannot be had:\n{log}");
    }
    // Where entries of the array are cannot change.
    let (log, most) = start_with("100", "64");
    assert_eq!(most, [100, 0]);
    assert!(
        log.contains("--max-connections"),
        "65536 connections are counted, not 64, and nothing says so:\n{log}"
    );
}

/// Waits until so many connections to the only server are counted as active.
#[track_caller]
fn active_becomes(testbed: &Testbed, expected: &RangeInclusive<u32>) {
    eventually(Duration::from_secs(10), || {
        let listed = testbed.ipvsadm("-Ln");
        let server = listed
            .lines()
            .find(|line| line.contains("-> 127.0.0.11:80"));
        let active = server.and_then(|line| line.split_whitespace().nth(4)?.parse().ok());
        if active.is_some_and(|active| expected.contains(&active)) {
            return Ok(());
        }
        Err(format!(
            "not {expected:?} connections are active:\n{listed}"
        ))
    });
}

#[test]
fn connections_beyond_the_limit_work_but_are_not_counted() {
    let testbed = Testbed::with_options(&["--max-connections", "64"]);
    let _server = testbed.server("A", "127.0.0.11:80");
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m");
    for round in 1..=3 {
        let mut application = testbed.application();
        for number in 0..200 {
            let reached = application.open(&number.to_string(), "10.9.0.1:80");
            assert_eq!(
                reached.as_deref(),
                Ok("A"),
                "round {round}, number {number}"
            );
        }
        // Sockets that are made one after another have their places one after another; others may
        // come between.
        active_becomes(&testbed, &(48..=64));
        drop(application);
        active_becomes(&testbed, &(0..=0));
    }
}
