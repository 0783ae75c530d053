//! A busy proxy and a busy resolver: far more connections and flows at once than the array has
//! entries. All are counted, `getpeername` tells the virtual address, and an administrator is
//! answered at once.
//!
//! `SOCKVS_TEST_OPEN` says how many connections (100 000 without it, up to a million), and
//! `SOCKVS_TEST_FLOWS` how many flows (30 000; up to 300 000).

use std::{
    fs,
    time::{Duration, Instant},
};

use compat_tests::{
    Census, SocketLoad, Testbed,
    eventually::eventually,
    listing,
    socket_load::{Counts, Crowd, NOBODY, OTHER_USER},
    variable,
};

const STREAMS: &str = "10.9.0.1:80";
const DATAGRAMS: [&str; 2] = ["10.9.0.1:53", "10.9.0.2:53"];
/// Within which an administrator is answered: for a hundred thousand connections.
const ANSWERED: Duration = Duration::from_secs(2);

/// Memory that the kernel has left, in KiB.
fn available() -> u64 {
    let told = fs::read_to_string("/proc/meminfo").expect("there is a /proc");
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("a number of KiB")
}

/// Active and inactive connections of all servers of a protocol.
fn counted(testbed: &Testbed, protocol: &str) -> (u64, u64) {
    let start = Instant::now();
    let listed = testbed.ipvsadm("-Ln");
    let took = start.elapsed();
    println!("ipvsadm -Ln took {took:?}");
    let listed = listing::read(&listed);
    let servers = listed
        .iter()
        .filter(|line| line.server.is_some() && line.protocol == protocol);
    servers.fold((0, 0), |(active, inactive), line| {
        (active + line.numbers[1], inactive + line.numbers[2])
    })
}

#[test]
fn very_many_connections_and_flows_at_once_are_counted_and_known() {
    let open = variable::number("SOCKVS_TEST_OPEN").unwrap_or(100_000);
    let flows = variable::number("SOCKVS_TEST_FLOWS").unwrap_or(30_000);
    println!("SOCKVS_TEST_OPEN={open} SOCKVS_TEST_FLOWS={flows}");
    let testbed = Testbed::new();
    testbed.client().restore(&format!(
        "-A -t {STREAMS} -s rr
         -a -t {STREAMS} -r 127.0.0.11:80 -m
         -a -t {STREAMS} -r 127.0.0.12:80 -m
         -A -u {} -s rr
         -a -u {} -r 127.0.0.11:53 -m
         -A -u {} -s rr
         -a -u {} -r 127.0.0.12:53 -m
",
        DATAGRAMS[0], DATAGRAMS[0], DATAGRAMS[1], DATAGRAMS[1],
    ));
    let _servers = [11, 12].map(|host| testbed.datagram_server("S", &format!("127.0.0.{host}:53")));
    let mut server = SocketLoad::start(&testbed, 0);
    for host in [11, 12] {
        server.run(&format!("listen 127.0.0.{host}:80"));
    }
    let mut proxy = Crowd::start(&testbed, NOBODY, open);
    let mut resolver = Crowd::start(&testbed, OTHER_USER, flows / 2);
    let (before, start) = (available(), Instant::now());
    let made = proxy.run("streams", open, STREAMS);
    assert_eq!(made, Counts::from([("ok".to_owned(), open)]));
    let used = before.saturating_sub(available());
    println!(
        "{open} connections in {:?}, {used} KiB with their sockets",
        start.elapsed()
    );
    let (sockets, start) = (flows / 2, Instant::now());
    let [one, other] = DATAGRAMS;
    let sent = resolver.run("unconnected", sockets, &format!("{one} {other}"));
    assert_eq!(sent, Counts::from([("ok".to_owned(), sockets * 2)]));
    println!("{flows} flows in {:?}", start.elapsed());

    let start = Instant::now();
    assert_eq!(counted(&testbed, "TCP"), (open, 0));
    let took = start.elapsed();
    assert_eq!(counted(&testbed, "UDP"), (0, sockets * 2));
    let limit = ANSWERED * u32::try_from(open / 100_000).unwrap_or(1).max(1);
    assert!(took < limit, "ipvsadm -Ln took {took:?}");
    let start = Instant::now();
    testbed.ipvsadm("-Ln --stats");
    println!("ipvsadm -Ln --stats took {:?}", start.elapsed());
    let peers = proxy.run("peers", open, "");
    let wrong: Vec<_> = peers.keys().filter(|peer| **peer != STREAMS).collect();
    assert!(
        wrong.is_empty() && peers[STREAMS] >= open / 100,
        "{peers:?}"
    );

    let start = Instant::now();
    drop((proxy, resolver));
    eventually(Duration::from_secs(120), || {
        Census::of(testbed.daemon.pin_dir()).is_empty()
    });
    println!("nothing was left {:?} after they ended", start.elapsed());
    assert_eq!(counted(&testbed, "TCP"), (0, 0));
    assert_eq!(counted(&testbed, "UDP"), (0, 0));
}
