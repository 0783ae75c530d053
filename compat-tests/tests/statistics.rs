//! Rates, counts of persistent clients, and zeroing.

use std::{net::IpAddr, time::Duration};

use compat_tests::{Server, Testbed, application::Socket, eventually::eventually};

fn serving(options: &str) -> (Testbed, Server) {
    let testbed = Testbed::new();
    let server = testbed.server("A", "127.0.0.11:80");
    testbed.client().restore(&format!(
        "-A -t 10.9.0.1:80 -s rr {options}\n-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m\n"
    ));
    (testbed, server)
}

/// The numbers in a listing's line that starts like this.
fn numbers(testbed: &Testbed, options: &str, line: &str) -> Vec<u64> {
    let listed = testbed.ipvsadm(&format!("-Ln {options} --exact"));
    let found = listed
        .lines()
        .find(|found| found.trim_start().starts_with(line));
    let found = found.unwrap_or_else(|| panic!("no line {line:?} in\n{listed}"));
    found
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

const LINES: [&str; 2] = ["TCP  10.9.0.1:80", "-> 127.0.0.11:80"];

#[test]
fn rates_rise_with_connections_and_decay_to_zero() {
    let (testbed, _server) = serving("");
    let mut application = testbed.application();
    eventually(Duration::from_secs(20), || {
        application.connect_many("10.9.0.1:80", 50);
        let rates = LINES.map(|line| numbers(&testbed, "--rate", line));
        if rates.iter().all(|rates| rates.iter().all(|rate| *rate > 0)) {
            return Ok(());
        }
        Err(format!("no rates: {rates:?}"))
    });
    testbed.ipvsadm("-Z");
    let rates = LINES.map(|line| numbers(&testbed, "--rate", line));
    assert_eq!(rates, [vec![0; 5], vec![0; 5]], "zeroed");
}

#[test]
fn zeroed_counters_survive_a_restart_of_the_daemon() {
    let (mut testbed, _server) = serving("");
    let mut application = testbed.application();
    let connections = |testbed: &Testbed| LINES.map(|line| numbers(testbed, "--stats", line)[0]);
    application.connect_many("10.9.0.1:80", 3);
    assert_eq!(connections(&testbed), [3, 3]);
    testbed.ipvsadm("-Z");
    assert_eq!(connections(&testbed), [0, 0]);
    application.connect_many("10.9.0.1:80", 2);
    assert_eq!(connections(&testbed), [2, 2]);
    testbed.daemon.kill();
    application.connect_many("10.9.0.1:80", 1);
    testbed.daemon.start_again();
    assert_eq!(connections(&testbed), [3, 3]);
}

#[test]
fn clients_that_persistence_holds_are_counted_until_their_time_is_over() {
    let (testbed, _server) = serving("-p 3");
    let mut application = testbed.application();
    for client in 1..=5 {
        let from = IpAddr::from([127, 0, 1, client]);
        let reached = application.connect_by(Socket::From(from), "10.9.0.1:80");
        assert_eq!(reached, Ok("A".to_owned()));
    }
    for (expected, limit) in [(5, 3), (0, 20)] {
        eventually(Duration::from_secs(limit), || {
            let listed = numbers(&testbed, "--persistent-conn", LINES[1]);
            match listed.as_slice() {
                [_weight, persistent, ..] if *persistent == expected => Ok(()),
                other => Err(format!("not {expected} clients: {other:?}")),
            }
        });
    }
}
