//! UDP: connected sockets and others, and answers that come from the virtual address.

use compat_tests::{DatagramServer, Testbed, application::Socket};
use nix::errno::Errno;

/// A service of each family with two servers, and those.
fn serving(options: &str) -> (Testbed, [DatagramServer; 4]) {
    let testbed = Testbed::new();
    let servers = [
        testbed.datagram_server("A", "127.0.0.11:5301"),
        testbed.datagram_server("B", "127.0.0.12:5302"),
        testbed.datagram_server("A6", "[::1]:5303"),
        testbed.datagram_server("B6", "[::1]:5304"),
    ];
    testbed.client().restore(&format!(
        "-A -u 10.9.0.1:53 -s rr {options}
         -a -u 10.9.0.1:53 -r 127.0.0.11:5301 -m
         -a -u 10.9.0.1:53 -r 127.0.0.12:5302 -m
         -A -u [fd00:9::1]:53 -s rr {options}
         -a -u [fd00:9::1]:53 -r [::1]:5303 -m
         -a -u [fd00:9::1]:53 -r [::1]:5304 -m
"
    ));
    (testbed, servers)
}

/// `InActConn` of the IPv4 service's two servers, the first one first.
fn inactive(testbed: &Testbed) -> [u32; 2] {
    let listed = testbed.ipvsadm("-Ln -u 10.9.0.1:53");
    ["127.0.0.11", "127.0.0.12"].map(|server| {
        let line = listed.lines().find(|line| line.contains(server));
        let line = line.unwrap_or_else(|| panic!("no {server} in\n{listed}"));
        let columns: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(columns[4], "0", "datagrams are never active:\n{listed}");
        columns[5].parse().expect("a number")
    })
}

#[test]
fn a_connected_socket_has_the_virtual_address_as_its_peer() {
    let (testbed, _servers) = serving("");
    let mut application = testbed.application();
    for (virtually, socket, seen, names) in [
        ("10.9.0.1:53", Socket::Plain, "10.9.0.1:53", ["B", "A"]),
        (
            "10.9.0.1:53",
            Socket::Inet6,
            "[::ffff:10.9.0.1]:53",
            ["B", "A"],
        ),
        (
            "[fd00:9::1]:53",
            Socket::Plain,
            "[fd00:9::1]:53",
            ["B6", "A6"],
        ),
    ] {
        for name in names {
            application.udp("it", socket, virtually);
            assert_eq!(application.connect_socket("it", virtually), Ok(()));
            assert_eq!(application.peer("it"), seen);
            for _ in 0..3 {
                assert_eq!(application.ask_peer("it"), Ok(format!("{name} {seen}")));
            }
            application.close("it");
        }
    }
    assert_eq!(inactive(&testbed), [0, 0], "all sockets are closed");
}

#[test]
fn a_socket_that_is_not_connected_keeps_its_server_and_gets_answers_from_the_virtual_address() {
    let (testbed, _servers) = serving("");
    let mut application = testbed.application();
    let sockets = [
        ("one", Socket::Plain, "10.9.0.1:53", "B 10.9.0.1:53"),
        (
            "two",
            Socket::Inet6,
            "10.9.0.1:53",
            "A [::ffff:10.9.0.1]:53",
        ),
        (
            "three",
            Socket::Plain,
            "[fd00:9::1]:53",
            "B6 [fd00:9::1]:53",
        ),
        ("four", Socket::Inet6, "[fd00:9::1]:53", "A6 [fd00:9::1]:53"),
    ];
    for (id, socket, virtually, _) in sockets {
        application.udp(id, socket, virtually);
    }
    for _ in 0..3 {
        for (id, _, virtually, answer) in sockets {
            assert_eq!(
                application.ask(id, virtually),
                Ok(answer.to_owned()),
                "{id}"
            );
        }
    }
    let many = application.ask_many("one", "10.9.0.1:53", 20);
    assert_eq!(many, Ok(vec!["B 10.9.0.1:53".to_owned(); 20]), "sendmmsg");
    assert_eq!(
        inactive(&testbed),
        [1, 1],
        "as long as the sockets are open"
    );
    for (id, ..) in sockets {
        application.close(id);
    }
    assert_eq!(inactive(&testbed), [0, 0], "all sockets are closed");
}

#[test]
fn one_socket_talks_to_services_and_to_others_at_once() {
    let (testbed, _servers) = serving("");
    let _other = testbed.datagram_server("other", "127.0.0.99:53");
    let mut application = testbed.application();
    testbed.ipvsadm("-A -u 10.9.0.2:53 -s rr");
    testbed.ipvsadm("-a -u 10.9.0.2:53 -r 127.0.0.11:5301 -m");
    application.udp("it", Socket::Plain, "10.9.0.1:53");
    for _ in 0..2 {
        for (to, answer) in [
            ("10.9.0.1:53", "B 10.9.0.1:53"),
            ("10.9.0.2:53", "A 10.9.0.2:53"),
            ("127.0.0.99:53", "other 127.0.0.99:53"),
            ("127.0.0.12:5302", "B 10.9.0.1:53"),
        ] {
            let answered = application.ask("it", to);
            assert_eq!(answered, Ok(answer.to_owned()), "to {to}");
        }
    }
}

#[test]
fn with_one_packet_scheduling_each_datagram_gets_a_server_of_its_own() {
    let (testbed, _servers) = serving("-o");
    let mut application = testbed.application();
    application.udp("it", Socket::Plain, "10.9.0.1:53");
    for _ in 0..4 {
        for name in ["B", "A"] {
            let answer = application.ask("it", "10.9.0.1:53");
            assert_eq!(answer, Ok(format!("{name} 10.9.0.1:53")));
        }
    }
    let mut many = application
        .ask_many("it", "10.9.0.1:53", 10)
        .expect("ten answers");
    many.sort_unstable();
    let expected = [["A 10.9.0.1:53"; 5], ["B 10.9.0.1:53"; 5]].concat();
    assert_eq!(many, expected, "sendmmsg");
    assert_eq!(inactive(&testbed), [0, 0], "nothing remains of them");
    let stats = testbed.ipvsadm("-Ln --stats --exact -u 10.9.0.1:53");
    let line = stats.lines().find(|line| line.starts_with("UDP"));
    let connections = line.and_then(|line| line.split_whitespace().nth(2));
    assert_eq!(connections, Some("18"), "each counts:\n{stats}");
}

#[test]
fn after_the_udp_timeout_a_socket_may_get_another_server() {
    let (testbed, _servers) = serving("");
    testbed.ipvsadm("--set 0 0 1");
    let mut application = testbed.application();
    application.udp("it", Socket::Plain, "10.9.0.1:53");
    let mut ask = || application.ask("it", "10.9.0.1:53").expect("an answer");
    assert_eq!([ask(), ask()], ["B 10.9.0.1:53"; 2]);
    std::thread::sleep(std::time::Duration::from_millis(1300));
    assert_eq!([ask(), ask()], ["A 10.9.0.1:53"; 2]);
    assert_eq!(inactive(&testbed), [1, 0], "it left the first one");
}

#[test]
fn a_socket_whose_server_is_removed_goes_on_with_another_at_the_next_datagram() {
    let (testbed, _servers) = serving("");
    let mut application = testbed.application();
    application.udp("it", Socket::Plain, "10.9.0.1:53");
    let answer = application.ask("it", "10.9.0.1:53");
    assert_eq!(answer, Ok("B 10.9.0.1:53".to_owned()));
    testbed.ipvsadm("-e -u 10.9.0.1:53 -r 127.0.0.12:5302 -m -w 0");
    let answer = application.ask("it", "10.9.0.1:53");
    assert_eq!(answer, Ok("B 10.9.0.1:53".to_owned()), "weight 0 lets be");
    testbed.ipvsadm("-d -u 10.9.0.1:53 -r 127.0.0.12:5302");
    let answer = application.ask("it", "10.9.0.1:53");
    assert_eq!(answer, Ok("A 10.9.0.1:53".to_owned()));
    testbed.ipvsadm("-d -u 10.9.0.1:53 -r 127.0.0.11:5301");
    let answer = application.ask("it", "10.9.0.1:53");
    assert_eq!(answer, Err(Errno::ECONNREFUSED), "no server is left");
    testbed.ipvsadm("-a -u 10.9.0.1:53 -r 127.0.0.12:5302 -m");
    let answer = application.ask("it", "10.9.0.1:53");
    assert_eq!(answer, Ok("B 10.9.0.1:53".to_owned()), "it is back");
    assert_eq!(
        testbed.client().saved().matches("10.9.0.1:53").count(),
        2,
        "the service and its server"
    );
}

#[test]
fn a_socket_with_more_flows_than_it_remembers_loses_no_count() {
    let testbed = Testbed::new();
    let _server = testbed.datagram_server("A", "127.0.0.11:5301");
    let mut rules = String::new();
    for number in 1..=40 {
        rules += &format!(
            "-A -u 10.9.0.{number}:53 -s rr\n-a -u 10.9.0.{number}:53 -r 127.0.0.11:5301 -m\n"
        );
    }
    testbed.client().restore(&rules);
    let mut application = testbed.application();
    application.udp("it", Socket::Plain, "10.9.0.1:53");
    for number in 1..=40 {
        let to = format!("10.9.0.{number}:53");
        assert_eq!(application.ask("it", &to), Ok(format!("A {to}")));
    }
    let connections = || -> u32 {
        let listed = testbed.ipvsadm("-Ln");
        let servers = listed.lines().filter(|line| line.contains("Masq"));
        servers
            .map(|line| line.split_whitespace().last().unwrap_or_default())
            .map(|column| column.parse::<u32>().expect("a number"))
            .sum()
    };
    assert_eq!(connections(), 16, "as many as a socket remembers");
    application.close("it");
    assert_eq!(connections(), 0);
}
