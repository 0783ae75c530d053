//! Every way to make a socket, to connect it and to end it, at random and very often: each
//! connection is counted once, and when the sockets are gone, nothing of them is left in any map.
//!
//! `SOCKVS_TEST_CYCLES` says how many sockets (100 000 without it), `SOCKVS_TEST_SEED` which.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use compat_tests::{
    Census, Conversation, Namespace, SocketLoad, Testbed, binaries, census,
    eventually::eventually,
    listing,
    socket_load::{Counts, Crowd, NOBODY, OTHER_USER},
    variable,
};

/// The longest that the kernel keeps what is left of a connection, with `FIN_WAIT2`.
const SETTLED: Duration = Duration::from_secs(150);

/// A user who only has connections open.
const HOLDER: u32 = 4243;

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
fn world(options: &[&str]) -> (Testbed, Conversation) {
    let testbed = Testbed::with_options(options);
    prepare(&testbed.namespace);
    testbed.client().restore(RULES);
    let servers = testbed
        .place()
        .command(binaries::ours("sockvs-connection-churn"));
    let mut servers = Conversation::start(servers, "sockvs-connection-churn", &testbed.folder);
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

/// So many sockets come and go, made by two users at a time. Then nothing of them is left, but what
/// was counted: this is given.
#[track_caller]
fn churn(testbed: &Testbed, cycles: u64) -> Counts {
    let seed = variable::number("SOCKVS_TEST_SEED").unwrap_or(20_26);
    println!("SOCKVS_TEST_SEED={seed} SOCKVS_TEST_CYCLES={cycles}");
    let start = Instant::now();
    let mut users = [NOBODY, OTHER_USER].map(|number| user(testbed, number));
    let done = AtomicBool::new(false);
    let told = thread::scope(|scope| {
        // A listing looks through the connections, too, beside the daemon's own search for sockets
        // that are gone.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                testbed.ipvsadm("-Ln");
                thread::sleep(Duration::from_millis(50));
            }
        });
        let threads = (seed..).zip(&mut users).map(|(seed, user)| {
            let request = format!("mixed {seed} {}", cycles / 2);
            scope.spawn(move || user.run(&request))
        });
        let threads: Vec<_> = threads.collect();
        let ends: Vec<_> = threads
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::Relaxed);
        let ends = ends.into_iter();
        ends.map(|told| told.expect("it is told above what failed"))
            .collect::<Vec<Counts>>()
    });
    let mut all = Counts::new();
    for (name, number) in told.into_iter().flatten() {
        *all.entry(name).or_default() += number;
    }
    println!("{cycles} sockets in {:?}: {all:?}", start.elapsed());
    all.retain(|name, _| name.contains('/'));
    all
}

/// Waits until nothing is left of any socket.
#[track_caller]
fn nothing_is_left(testbed: &Testbed) {
    let settled = eventually(SETTLED, || {
        let pins = testbed.daemon.pin_dir();
        Census::of(pins)
            .is_empty()
            .map_err(|error| format!("{error}: {:#?}", census::entries_in_use(pins)))?;
        counters_are_zero(testbed)
    });
    println!("nothing was left {settled:?} later");
}

#[test]
fn no_record_is_left_however_sockets_end() {
    let (testbed, servers) = world(&[]);
    let expected = churn(
        &testbed,
        variable::number("SOCKVS_TEST_CYCLES").unwrap_or(100_000),
    );
    drop(servers);
    nothing_is_left(&testbed);
    assert_eq!(counted(&testbed), expected, "connections of each service");
}

#[test]
fn no_record_is_left_when_the_connection_array_is_full() {
    const HELD: u64 = 90_000;
    let (testbed, servers) = world(&["--max-connections", "1048576"]);
    testbed.client().restore(
        "-A -t 10.9.0.9:80 -s rr
         -a -t 10.9.0.9:80 -r 127.0.0.19:80 -m
",
    );
    let mut server = SocketLoad::start(&testbed, 0);
    server.run("listen 127.0.0.19:80");
    let mut holder = Crowd::start(&testbed, HOLDER, HELD);
    holder.run("streams", HELD, "10.9.0.9:80");
    let full = Census::of(testbed.daemon.pin_dir());
    assert_eq!(full.connections + full.overflow, 90_000, "{full}");
    assert!(full.overflow > 20_000, "{full}");
    let mut expected = churn(
        &testbed,
        variable::number("SOCKVS_TEST_CYCLES").unwrap_or(100_000) / 4,
    );
    drop(servers);
    drop(holder);
    nothing_is_left(&testbed);
    expected.insert("TCP/10.9.0.9:80".to_owned(), HELD);
    assert_eq!(counted(&testbed), expected, "connections of each service");
}

#[test]
fn no_record_is_left_of_sockets_in_a_deleted_namespace() {
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
