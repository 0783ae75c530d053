//! Every way to make a socket, to connect it and to end it, at random and very often: each connection is
//! counted once, and when the sockets are gone, nothing of them is left in any map.
//!
//! `SOCKVS_TEST_CYCLES` says how many sockets (100 000 without it), `SOCKVS_TEST_SEED` which.

use std::{
    collections::BTreeMap,
    env,
    time::{Duration, Instant},
};

use compat_tests::{
    Census, Conversation, Namespace, SocketLoad, Testbed, binaries,
    eventually::eventually,
    listing,
    socket_load::{Counts, NOBODY, SOMEBODY},
};

/// The longest that the kernel keeps what is left of a connection, with `FIN_WAIT2`.
const SETTLED: Duration = Duration::from_secs(150);

/// Services of TCP whose servers answer.
const STREAMS: [&str; 4] = [
    "10.9.0.1:80",
    "10.9.0.2:80",
    "10.9.0.3:80",
    "[fd00:9::1]:80",
];
/// One whose server is not there.
const CLOSED: &str = "10.9.0.4:80";
/// One whose server is on another machine, which is silent.
const REMOTE: &str = "10.9.0.5:80";
/// Services of UDP.
const DATAGRAMS: [&str; 4] = [
    "10.9.0.1:53",
    "10.9.0.2:53",
    "10.9.0.3:53",
    "[fd00:9::1]:53",
];

const RULES: &str = "-A -t 10.9.0.1:80 -s rr
-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m
-a -t 10.9.0.1:80 -r 127.0.0.12:80 -m
-A -t 10.9.0.2:80 -s wlc
-a -t 10.9.0.2:80 -r 127.0.0.11:80 -m -x 30 -y 10
-a -t 10.9.0.2:80 -r 127.0.0.12:80 -m
-A -t 10.9.0.3:80 -s rr -p 2
-a -t 10.9.0.3:80 -r 127.0.0.11:80 -m
-a -t 10.9.0.3:80 -r 127.0.0.12:80 -m
-A -t [fd00:9::1]:80 -s rr
-a -t [fd00:9::1]:80 -r [fd00:1::11]:80 -m
-A -t 10.9.0.4:80 -s rr
-a -t 10.9.0.4:80 -r 127.0.0.99:80 -m
-A -t 10.9.0.5:80 -s rr
-a -t 10.9.0.5:80 -r 10.1.0.9:80 -m
-A -u 10.9.0.1:53 -s rr
-a -u 10.9.0.1:53 -r 127.0.0.11:80 -m
-a -u 10.9.0.1:53 -r 127.0.0.12:80 -m
-A -u 10.9.0.2:53 -s wlc
-a -u 10.9.0.2:53 -r 127.0.0.12:80 -m
-A -u 10.9.0.3:53 -s rr -p 2
-a -u 10.9.0.3:53 -r 127.0.0.11:80 -m
-A -u [fd00:9::1]:53 -s rr
-a -u [fd00:9::1]:53 -r [fd00:1::11]:80 -m
";

/// A neighbour that never answers, and is never asked for.
fn prepare(namespace: &Namespace) {
    namespace.ip_batch(
        "link add far0 type veth peer name far1
         link set far1 up
         link set far0 up
         address add 10.1.0.1/24 dev far0
         neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev far0 nud permanent
         address add fd00:1::11/128 dev lo nodad",
    );
}

/// A testbed with all services, and servers for them.
fn world() -> (Testbed, Conversation) {
    let testbed = Testbed::new();
    prepare(&testbed.namespace);
    testbed.client().restore(RULES);
    let servers = testbed.place().command(binaries::ours("sockvs-storm"));
    let mut servers = Conversation::start(servers, "sockvs-storm", &testbed.folder);
    for at in ["127.0.0.11:80", "127.0.0.12:80", "[fd00:1::11]:80"] {
        servers.must(&format!("server {at} {at}"));
    }
    (testbed, servers)
}

/// A user who knows where to connect to.
fn user(testbed: &Testbed, number: u32) -> SocketLoad {
    let mut load = SocketLoad::start(testbed, number);
    let direct = ["127.0.0.11:80", "[fd00:1::11]:80"];
    let lists: [(&str, &[&str]); 5] = [
        ("stream", &STREAMS),
        ("closed", &[CLOSED]),
        ("remote", &[REMOTE]),
        ("datagram", &DATAGRAMS),
        ("direct", &direct),
    ];
    for (kind, addresses) in lists {
        for address in addresses {
            load.run(&format!("target {kind} {address}"));
        }
    }
    load
}

fn number_from(variable: &str, otherwise: u64) -> u64 {
    let told = env::var(variable).ok();
    told.map_or(otherwise, |told| told.parse().expect("a number"))
}

/// Nothing is open any more, as far as the counters tell.
fn counters_are_zero(testbed: &Testbed) -> Result<(), String> {
    let listed = listing::read(&testbed.ipvsadm("-Ln"));
    let open = |line: &&listing::Line| line.server.is_some() && line.numbers[1..] != [0, 0];
    let open: Vec<_> = listed.iter().filter(open).collect();
    if open.is_empty() {
        return Ok(());
    }
    Err(format!("counted as open: {open:?}"))
}

/// What each service has counted.
fn counted(testbed: &Testbed) -> BTreeMap<String, u64> {
    let listed = listing::read(&testbed.ipvsadm("-Ln --stats --exact"));
    let services = listed.iter().filter(|line| line.server.is_none());
    services
        .filter(|line| line.numbers[0] > 0)
        .map(|line| {
            (
                format!("{}/{}", line.protocol, line.service),
                line.numbers[0],
            )
        })
        .collect()
}

#[test]
fn whatever_becomes_of_sockets_nothing_of_them_is_left() {
    let cycles = number_from("SOCKVS_TEST_CYCLES", 100_000);
    let seed = number_from("SOCKVS_TEST_SEED", 20_26);
    println!("SOCKVS_TEST_SEED={seed} SOCKVS_TEST_CYCLES={cycles}");
    let (testbed, servers) = world();
    let start = Instant::now();
    let mut users = [user(&testbed, NOBODY), user(&testbed, SOMEBODY)];
    // Two at a time, so that there are always some that come and some that go.
    let told = std::thread::scope(|scope| {
        let threads: Vec<_> = (seed..)
            .zip(&mut users)
            .map(|(seed, user)| {
                scope.spawn(move || user.run(&format!("mixed {seed} {}", cycles / 2)))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("it is told above what failed"))
            .collect::<Vec<Counts>>()
    });
    let mut expected = Counts::new();
    for (name, number) in told.into_iter().flatten() {
        *expected.entry(name).or_default() += number;
    }
    println!("{cycles} sockets in {:?}: {expected:?}", start.elapsed());
    drop(users);
    drop(servers);
    let mut last = Instant::now();
    let settled = eventually(SETTLED, || {
        let census = Census::of(testbed.daemon.pin_dir());
        if last.elapsed() > Duration::from_secs(10) {
            last = Instant::now();
            println!("{census}");
        }
        census.is_empty()?;
        counters_are_zero(&testbed)
    });
    println!("nothing was left {settled:?} later");
    expected.retain(|name, _| name.contains('/'));
    assert_eq!(counted(&testbed), expected, "connections of each service");
}

#[test]
fn sockets_of_a_namespace_that_ends_leave_nothing() {
    let testbed = Testbed::serving_all_namespaces();
    for round in 0..3 {
        let namespace = Namespace::new();
        prepare(&namespace);
        testbed.client_in(&namespace).restore(RULES);
        let mut server = SocketLoad::start_in(&testbed, &namespace, 0);
        for host in [11, 12] {
            server.run(&format!("listen 127.0.0.{host}:80"));
        }
        let mut load = SocketLoad::start_in(&testbed, &namespace, NOBODY);
        load.run("streams 500 10.9.0.1:80");
        load.run("unconnected 300 10.9.0.1:53 10.9.0.2:53");
        load.run("deferred 200 10.9.0.2:80");
        load.run(&format!("mptcp 200 {REMOTE}"));
        let census = Census::of(testbed.daemon.pin_dir());
        assert!(
            census.connections >= 700 && census.flows == 600,
            "round {round}: {census}"
        );
        // The namespace goes while the sockets are open, and they go when it has no name any more.
        drop(namespace);
        load.kill();
        drop(server);
    }
    eventually(SETTLED, || Census::of(testbed.daemon.pin_dir()).is_empty());
}
