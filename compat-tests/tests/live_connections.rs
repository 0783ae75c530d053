//! Connections that are open: listed, and counted as far as they have come.

use std::time::Duration;

use compat_tests::{
    Outcome, Server, Testbed, application::Socket, binaries, eventually::eventually, program,
};
use serde_json::Value;

/// `sockvs` with these words, in the testbed's namespace.
fn sockvs(testbed: &Testbed, words: &[&str]) -> Outcome {
    let mut command = testbed.place().command(binaries::ours("sockvs"));
    command.arg("--socket").arg(testbed.daemon.socket());
    command.args(words);
    program::run(command)
}

/// The connections to a virtual address.
fn listed(testbed: &Testbed, to: &str) -> Vec<Value> {
    let text = sockvs(testbed, &["connections", "--json"]).expect_success();
    let all: Vec<Value> = serde_json::from_str(&text).expect("a list");
    all.into_iter()
        .filter(|connection| connection["virtual"] == to)
        .collect()
}

/// The counters after the connections of the line that has this word: packets and bytes in and out.
fn carried(testbed: &Testbed, word: &str) -> [u64; 4] {
    let text = testbed.ipvsadm("-Ln --stats --exact");
    let line = text
        .lines()
        .find(|line| line.contains(word))
        .unwrap_or_else(|| panic!("no {word} in\n{text}"));
    let columns: Vec<u64> = line
        .split_whitespace()
        .filter_map(|column| column.parse().ok())
        .collect();
    columns[columns.len() - 4..].try_into().expect("four")
}

/// Looks until the counters are as they should be.
#[track_caller]
fn until(mut look: impl FnMut() -> [u64; 4], right: impl Fn(&[u64; 4]) -> bool) -> [u64; 4] {
    let mut found = [0; 4];
    eventually(Duration::from_secs(5), || {
        found = look();
        if right(&found) {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    });
    found
}

/// A service of each family with one server, and those.
fn serving_both_families() -> (Testbed, [Server; 2]) {
    let testbed = Testbed::new();
    let servers = [
        testbed.server("A", "127.0.0.11:8001"),
        testbed.server("A6", "[::1]:8002"),
    ];
    testbed.client().restore(
        "-A -t 10.9.0.1:80 -s rr
         -a -t 10.9.0.1:80 -r 127.0.0.11:8001 -m
         -A -t [fd00:9::1]:80 -s rr
         -a -t [fd00:9::1]:80 -r [::1]:8002 -m
",
    );
    (testbed, servers)
}

#[test]
fn an_open_connection_is_listed_with_its_processes() {
    let (testbed, _servers) = serving_both_families();
    let mut application = testbed.application();
    for (socket, to, server) in [
        (Socket::Plain, "10.9.0.1:80", "127.0.0.11:8001"),
        (Socket::Inet6, "10.9.0.1:80", "127.0.0.11:8001"),
        (Socket::Plain, "[fd00:9::1]:80", "[::1]:8002"),
    ] {
        application.open_by(socket, "it", to).expect("connected");
        let found = listed(&testbed, to);
        assert_eq!(found.len(), 1, "{found:?}");
        let it = &found[0];
        assert_eq!(it["protocol"], "TCP", "{it}");
        assert_eq!(it["server"], server, "{it}");
        assert_eq!(it["state"], "ESTABLISHED", "{it}");
        assert_eq!(it["processes"][0]["command"], "sockvs-probe", "{it}");
        let cgroup = it["cgroup"].as_str().unwrap_or_default();
        let path = testbed.cgroup.path().to_string_lossy().into_owned();
        assert!(cgroup.len() > 1 && path.ends_with(cgroup), "{it}");
        let client = it["client"].as_str().unwrap_or_default();
        assert!(client.starts_with("127.0.0.1:") || client.starts_with("[::1]:"));
        application.close("it");
        assert_eq!(listed(&testbed, to), Vec::<Value>::new(), "it is closed");
    }
}

#[test]
fn datagrams_are_listed_as_long_as_their_socket_is_open() {
    let testbed = Testbed::new();
    let _server = testbed.datagram_server("A", "127.0.0.11:5301");
    testbed
        .client()
        .restore("-A -u 10.9.0.1:53 -s rr\n-a -u 10.9.0.1:53 -r 127.0.0.11:5301 -m\n");
    let mut application = testbed.application();
    for id in ["connected", "unconnected"] {
        application.udp(id, Socket::Plain, "10.9.0.1:53");
        if id == "connected" {
            application
                .connect_socket(id, "10.9.0.1:53")
                .expect("connected");
        } else {
            application.ask(id, "10.9.0.1:53").expect("an answer");
        }
        let found = listed(&testbed, "10.9.0.1:53");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["server"], "127.0.0.11:5301");
        assert_eq!(found[0]["state"], "UDP");
        application.close(id);
        assert!(listed(&testbed, "10.9.0.1:53").is_empty());
    }
}

#[test]
fn counters_include_open_connections_and_never_decrease() {
    let testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:8001");
    testbed
        .client()
        .restore("-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 127.0.0.11:8001 -m\n");
    let mut application = testbed.application();
    application.open("it", "10.9.0.1:80").expect("connected");
    // "A\n", and the SYN.
    let at_first = until(
        || carried(&testbed, "10.9.0.1:80"),
        |now| now[2] == 1 && now[3] == 2,
    );
    for _ in 0..10 {
        application.say("it").expect("an answer");
    }
    let later = until(
        || carried(&testbed, "10.9.0.1:80"),
        |now| now[3] > at_first[3] && now[2] > at_first[2],
    );
    std::thread::sleep(Duration::from_millis(100));
    let settled = carried(&testbed, "10.9.0.1:80");
    assert!(settled.iter().zip(later).all(|(now, then)| *now >= then));
    assert_eq!(
        settled,
        carried(&testbed, "127.0.0.11:8001"),
        "its server's"
    );
    testbed.ipvsadm("-Z");
    assert_eq!(carried(&testbed, "10.9.0.1:80"), [0; 4], "zeroed");
    application.say("it").expect("an answer");
    let since = until(|| carried(&testbed, "10.9.0.1:80"), |now| now[3] > 0);
    assert_eq!(since[3], (settled[3] - at_first[3]) / 10, "one answer");
    application.close("it");
    assert_eq!(listed(&testbed, "10.9.0.1:80"), Vec::<Value>::new());
    // The application resets it, which is no packet that the socket counts.
    let ended = carried(&testbed, "10.9.0.1:80");
    assert_eq!(ended, since, "nothing is counted twice");
    assert_eq!(ended, carried(&testbed, "127.0.0.11:8001"), "its server's");
}

#[test]
fn totals_never_decrease_while_connections_come_and_go() {
    let testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:8001");
    testbed
        .client()
        .restore("-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 127.0.0.11:8001 -m\n");
    let mut application = testbed.application();
    application.hammer("10.9.0.1:80", 2);
    let mut last = [0; 4];
    for _ in 0..15 {
        let now = carried(&testbed, "10.9.0.1:80");
        let went_on = now.iter().zip(last).all(|(now, last)| *now >= last);
        assert!(went_on, "{last:?} became {now:?}");
        last = now;
    }
    let made = application.rest().len();
    let sum = until(
        || carried(&testbed, "10.9.0.1:80"),
        |now| now[3] == 2 * u64::try_from(made).unwrap_or(0),
    );
    assert_eq!(sum, carried(&testbed, "127.0.0.11:8001"));
}

#[test]
fn proc_net_ip_vs_conn_lists_them() {
    let (testbed, _servers) = serving_both_families();
    let mut application = testbed.application();
    application.open("one", "10.9.0.1:80").expect("connected");
    let text = sockvs(&testbed, &["proc", "ip_vs_conn"]).expect_success();
    let line = text.lines().nth(1).expect("a connection");
    assert!(line.starts_with("TCP 7F000001 "), "{line}");
    let rest = " 0A090001 0050 7F00000B 1F41 ESTABLISHED     900";
    assert!(line.ends_with(rest), "{line}");
    application
        .open("two", "[fd00:9::1]:80")
        .expect("connected");
    let text = sockvs(&testbed, &["proc", "ip_vs_conn_sync"]).expect_success();
    let rest = " fd00:0009:0000:0000:0000:0000:0000:0001 0050 \
                0000:0000:0000:0000:0000:0000:0000:0001 1F42 ESTABLISHED LOCAL      900";
    assert!(text.lines().any(|line| line.ends_with(rest)), "{text}");
    let words = ["exec", "--proc", "--", "ipvsadm", "-Lnc"];
    let found = sockvs(&testbed, &words).expect_success();
    let of_ours = |line: &str| {
        line.starts_with("TCP 15:00  ESTABLISHED 127.0.0.1:")
            && line.ends_with("10.9.0.1:80        127.0.0.11:8001")
    };
    assert!(found.lines().any(of_ours), "{found}");
}
