//! Counters: nothing that becomes of a socket leaves a count behind, and every connection is
//! counted once.
//!
//! What counts as a connection (`Conns`): for TCP, each `connect(2)` to the service with which the
//! kernel sends a SYN, whatever comes of it. One that fails before that does not count: where the
//! service has no usable server, or there is no route to the one that was chosen. For UDP, each
//! successful `connect(2)`, and of a socket that is not connected the first datagram to the
//! service.
//!
//! `SOCKVS_TEST_CONNECTIONS` says how many connections (100 000 without it), `SOCKVS_TEST_SEED`
//! which.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use compat_tests::{
    Conversation, Namespace, Testbed, application::Socket, binaries, eventually::eventually,
    listing, variable,
};

const CONNECTIONS: u64 = 100_000;
const SEED: u64 = 20_26;
/// How often the daemon is killed, if the churn lasts.
const KILLS: u64 = 5;

/// How a family writes its addresses.
struct Family {
    /// Where the services are.
    service: fn(usize) -> String,
    /// Where the servers are; the fourth one does not listen, the fifth has no route, the sixth
    /// does not answer.
    server: fn(usize) -> String,
    /// The source address of connections to a server.
    source: fn(usize) -> String,
    /// For single addresses.
    prefix: u8,
}

const FAMILIES: [Family; 2] = [
    Family {
        service: |number| format!("10.9.0.{number}:80"),
        server: |number| format!("10.1.0.{number}"),
        source: |number| format!("10.200.0.{number}"),
        prefix: 32,
    },
    Family {
        service: |number| format!("[fd00:9::{number}]:80"),
        server: |number| format!("fd00:1::{number}"),
        source: |number| format!("fd00:200::{number}"),
        prefix: 128,
    },
];

const SCHEDULERS: [&str; 14] = [
    "rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "mh", "lblc", "lblcr", "fo", "ovf", "twos",
];
/// Servers that answer.
const ANSWERING: [usize; 3] = [1, 2, 3];
const CLOSED: usize = 4;
const NO_ROUTE: usize = 5;
const SILENT: usize = 6;
const PORT: u16 = 8080;

impl Family {
    fn at(&self, server: usize) -> String {
        let address: IpAddr = (self.server)(server).parse().expect("an address");
        SocketAddr::new(address, PORT).to_string()
    }

    /// Routes by which the source address of a connection tells its server.
    fn route(&self, namespace: &Namespace) {
        for number in [1, 2, 3, CLOSED, SILENT] {
            let (source, prefix) = ((self.source)(number), self.prefix);
            namespace.add_address(&format!("{source}/{prefix}"));
        }
        let add = |words: &str| {
            let words = words.split_whitespace();
            namespace.ip(&words.collect::<Vec<_>>());
        };
        for number in [1, 2, 3, CLOSED] {
            let (server, source) = ((self.server)(number), (self.source)(number));
            add(&format!("route add local {server} dev lo src {source}"));
        }
        let server = (self.server)(NO_ROUTE);
        add(&format!("route add unreachable {server}"));
        // Frames for an address of another machine: no answer comes, and no error.
        let (server, source) = ((self.server)(SILENT), (self.source)(SILENT));
        add(&format!("route add {server} dev silent0 src {source}"));
        add(&format!(
            "neigh add {server} lladdr 02:00:00:00:00:09 dev silent0 nud permanent"
        ));
    }

    /// Adds all services, and tells the churn of them.
    fn add_services(&self, rules: &mut String, churn: &mut Conversation) {
        let mut number = 0;
        let mut add =
            |flag: &str, kind: &str, scheduler: &str, servers: &[usize], options: &str| {
                number += 1;
                let service = (self.service)(number);
                let _ = writeln!(rules, "-A {flag} {service} -s {scheduler}");
                for &server in servers {
                    let (at, weight) = (self.at(server), 1 + server % 3);
                    let _ = writeln!(
                        rules,
                        "-a {flag} {service} -r {at} -m -w {weight} {options}"
                    );
                }
                churn.must(&format!("service {kind} {service}"));
            };
        for scheduler in SCHEDULERS {
            add("-t", "tcp", scheduler, &ANSWERING, "");
        }
        add("-t", "tcp", "rr", &[1, CLOSED, NO_ROUTE], "");
        add("-t", "tcp", "wlc", &ANSWERING, "-x 20 -y 10");
        add("-t", "silent", "rr", &[SILENT], "");
        add("-t", "tcp", "wrr -p 60", &ANSWERING, "");
        for scheduler in ["rr", "wlc", "lc", "sh", "rr -p 1"] {
            add("-u", "udp", scheduler, &ANSWERING, "");
        }
        for server in ANSWERING {
            let source = (self.source)(server);
            churn.must(&format!("server {source} {}", self.at(server)));
        }
    }
}

/// What a churn says of each server of each service, and of what came of everything.
struct Account {
    chosen: BTreeMap<(String, SocketAddr, SocketAddr), u64>,
    outcomes: BTreeMap<String, u64>,
}

impl Account {
    fn read(lines: &[String]) -> Self {
        let servers: BTreeMap<String, String> = FAMILIES
            .iter()
            .flat_map(|family| (1..=6).map(|server| ((family.source)(server), family.at(server))))
            .collect();
        let mut account = Self {
            chosen: BTreeMap::new(),
            outcomes: BTreeMap::new(),
        };
        for line in lines {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["chosen", protocol, service, source, number] => {
                    let at = servers.get(source);
                    let at = at.unwrap_or_else(|| panic!("no server's source: {line}"));
                    let key = (
                        protocol.to_uppercase(),
                        service.parse().expect("an address"),
                        at.parse().expect("an address"),
                    );
                    account
                        .chosen
                        .insert(key, number.parse().expect("a number"));
                }
                ["outcome", name, number] => {
                    let number = number.parse().expect("a number");
                    account.outcomes.insert(name.to_owned(), number);
                }
                _ => panic!("not understood: {line}"),
            }
        }
        account
    }
}

/// What is still counted as open.
fn still_open(testbed: &Testbed) -> Result<(), String> {
    let listed = listing::read(&testbed.ipvsadm("-Ln"));
    let servers = listed.iter().filter(|line| line.server.is_some());
    let open: Vec<String> = servers
        .filter(|line| line.numbers[1..] != [0, 0])
        .map(|line| format!("{line:?}"))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    Err(format!("counted as open:\n{}", open.join("\n")))
}

/// A testbed with all services, and the churn that will go through them.
fn churn() -> (Testbed, Conversation) {
    let testbed = Testbed::new();
    let namespace = &testbed.namespace;
    namespace.ip(&[
        "link", "add", "silent0", "type", "veth", "peer", "name", "silent1",
    ]);
    namespace.ip(&["link", "set", "silent1", "up"]);
    namespace.ip(&["link", "set", "silent0", "up"]);
    let churn = testbed
        .place()
        .command(binaries::ours("sockvs-connection-churn"));
    let mut churn = Conversation::start(churn, "sockvs-connection-churn", &testbed.folder);
    let mut rules = String::new();
    for family in &FAMILIES {
        family.route(namespace);
        family.add_services(&mut rules, &mut churn);
    }
    testbed.client().restore(&rules);
    (testbed, churn)
}

#[test]
fn every_connection_is_counted_once_and_no_open_count_remains() {
    let (seed, connections) = (
        variable::number("SOCKVS_TEST_SEED").unwrap_or(SEED),
        variable::number("SOCKVS_TEST_CONNECTIONS").unwrap_or(CONNECTIONS),
    );
    println!("SOCKVS_TEST_SEED={seed} SOCKVS_TEST_CONNECTIONS={connections}");
    let (mut testbed, mut churn) = churn();
    let start = Instant::now();
    churn.must(&format!("begin {seed} {connections} 4"));
    let mut made: u64 = 0;
    let mut kills = 0;
    while made < connections {
        thread::sleep(Duration::from_millis(100));
        made = churn.must("progress")[0].parse().expect("a number");
        if made * (KILLS + 1) > connections * (kills + 1) && kills < KILLS {
            kills += 1;
            testbed.daemon.kill();
            thread::sleep(Duration::from_millis(200));
            testbed.daemon.start_again();
            // Connections go on across edits, too.
            let edit = (FAMILIES[0].service)(2);
            testbed.ipvsadm(&format!(
                "-e -t {edit} -r 10.1.0.1:{PORT} -m -w {}",
                2 + kills
            ));
        }
        assert!(
            start.elapsed() < Duration::from_secs(600),
            "only {made} connections were made"
        );
    }
    let account = Account::read(&churn.must("end"));
    drop(churn);
    let took = start.elapsed();
    let total: u64 = account.chosen.values().sum();
    println!("{total} connections in {took:?}, the daemon killed {kills} times");
    println!("{:?}", account.outcomes);

    let settled = eventually(Duration::from_secs(90), || still_open(&testbed));
    println!("all counters were zero {settled:?} later");
    let mut wrong = Vec::new();
    let listed = listing::read(&testbed.ipvsadm("-Ln --stats --exact"));
    let mut of_services: BTreeMap<(String, SocketAddr), u64> = BTreeMap::new();
    for line in &listed {
        let Some(server) = line.server else { continue };
        let key = (line.protocol.clone(), line.service, server);
        let expected = account.chosen.get(&key).copied().unwrap_or_default();
        *of_services.entry((key.0, key.1)).or_default() += expected;
        if line.numbers[0] != expected {
            wrong.push(format!(
                "{expected} connections were made, counted: {line:?}"
            ));
        }
    }
    for line in listed.iter().filter(|line| line.server.is_none()) {
        let expected = of_services[&(line.protocol.clone(), line.service)];
        if line.numbers[0] != expected {
            wrong.push(format!(
                "{expected} connections were made, counted: {line:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "of {total}:\n{}", wrong.join("\n"));
    assert_eq!(of_services.values().sum::<u64>(), total, "all are listed");
    assert!(kills > 0, "the churn was too short");
    for outcome in [
        "reset",
        "abandoned",
        "unread",
        "closed",
        "again",
        "handed-over",
        "killed",
        "then:ECONNREFUSED",
        "then:ETIMEDOUT",
        "connect:EHOSTUNREACH",
        "udp-connected",
        "udp-unconnected",
    ] {
        assert!(
            account.outcomes.contains_key(outcome),
            "{outcome} never happened: {:?}",
            account.outcomes
        );
    }
}

#[test]
fn servers_that_come_and_go_under_load_keep_no_count() {
    let (seed, connections) = (
        variable::number("SOCKVS_TEST_SEED").unwrap_or(SEED),
        variable::number("SOCKVS_TEST_CONNECTIONS").unwrap_or(CONNECTIONS) / 2,
    );
    println!(
        "SOCKVS_TEST_SEED={seed} SOCKVS_TEST_CONNECTIONS={}",
        connections * 2
    );
    let (testbed, mut churn) = churn();
    churn.must(&format!("begin {seed} {connections} 2"));
    let mut edits = 0;
    loop {
        let mut rules = String::new();
        for family in &FAMILIES {
            let number = 1 + edits % SCHEDULERS.len();
            let (service, server) = ((family.service)(number), 1 + edits % 3);
            let at = family.at(server);
            let _ = writeln!(rules, "-d -t {service} -r {at}");
            let _ = writeln!(rules, "-a -t {service} -r {at} -m");
            // And services: this one comes back with one server.
            let (service, at) = ((family.service)(SCHEDULERS.len() + 1), family.at(1));
            let _ = writeln!(rules, "-D -t {service}\n-A -t {service} -s wlc");
            let _ = writeln!(rules, "-a -t {service} -r {at} -m");
        }
        testbed.client().restore(&rules);
        edits += 1;
        let made: u64 = churn.must("progress")[0].parse().expect("a number");
        if made >= connections {
            break;
        }
    }
    let account = Account::read(&churn.must("end"));
    drop(churn);
    println!("{edits} rounds of edits, {:?}", account.outcomes);
    assert!(edits > 2, "the churn was too short");
    eventually(Duration::from_secs(90), || still_open(&testbed));
}

/// A service of UDP with one server, and how many sockets are counted there.
fn one_datagram_server(testbed: &Testbed) -> impl Fn() -> u64 {
    testbed.ipvsadm("-A -u 10.9.0.1:53 -s rr");
    testbed.ipvsadm("-a -u 10.9.0.1:53 -r 127.0.0.11:5301 -m");
    || {
        let listed = listing::read(&testbed.ipvsadm("-Ln"));
        assert_eq!(listed[1].numbers[1], 0, "datagrams are never active");
        listed[1].numbers[2]
    }
}

#[test]
fn the_udp_sockets_of_a_killed_process_are_counted_no_more() {
    let testbed = Testbed::new();
    let _server = testbed.datagram_server("A", "127.0.0.11:5301");
    let counted = one_datagram_server(&testbed);
    let mut application = testbed.application();
    for number in 0..20 {
        let id = number.to_string();
        application.udp(&id, Socket::Plain, "10.9.0.1:53");
        if number % 2 == 0 {
            assert_eq!(application.connect_socket(&id, "10.9.0.1:53"), Ok(()));
        } else {
            assert_eq!(
                application.ask(&id, "10.9.0.1:53"),
                Ok("A 10.9.0.1:53".to_owned())
            );
        }
    }
    assert_eq!(counted(), 20);
    application.kill();
    eventually(Duration::from_secs(5), || match counted() {
        0 => Ok(()),
        some => Err(format!("{some} sockets are counted")),
    });
}
