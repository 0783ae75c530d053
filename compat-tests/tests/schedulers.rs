//! The schedulers that go by connections, weights and clients: which server they choose, and that
//! what they go by returns to zero.
//!
//! The orders of `rr` and `wrr` are in `order.rs`.

use compat_tests::{Application, Server, Testbed};
use nix::errno::Errno;

const SERVICE: &str = "10.9.0.1:80";

/// A service with servers A, B, C… of these weights, added in this order.
struct Balanced {
    application: Application,
    _servers: Vec<Server>,
    opened: usize,
    /// The last to go.
    testbed: Testbed,
}

impl Balanced {
    fn new(scheduler: &str, weights: &[u32]) -> Self {
        let testbed = Testbed::new();
        testbed.ipvsadm(&format!("-A -t {SERVICE} -s {scheduler}"));
        let servers = ["A", "B", "C", "D"]
            .into_iter()
            .zip(weights)
            .map(|(name, weight)| {
                let server = testbed.server(name, &address_of(name));
                let address = address_of(name);
                testbed.ipvsadm(&format!("-a -t {SERVICE} -r {address} -m -w {weight}"));
                server
            })
            .collect();
        let application = testbed.application();
        Self {
            application,
            _servers: servers,
            opened: 0,
            testbed,
        }
    }

    /// Opens connections that stay, and gives the names of the servers they reach.
    fn open(&mut self, number: usize) -> String {
        (0..number)
            .map(|_| {
                let id = format!("c{}", self.opened);
                self.opened += 1;
                match self.application.open(&id, SERVICE) {
                    Ok(server) => server,
                    Err(Errno::ECONNREFUSED) => "-".to_owned(),
                    Err(errno) => panic!("connection {id} failed: {errno}"),
                }
            })
            .collect()
    }

    fn close(&mut self, number: usize) {
        self.application.close(&format!("c{number}"));
    }

    fn edit(&self, server: &str, settings: &str) {
        let address = address_of(server);
        self.testbed
            .ipvsadm(&format!("-e -t {SERVICE} -r {address} -m {settings}"));
    }

    /// Established and other connections of each server, as `ipvsadm -Ln` has them.
    fn connections(&self) -> Vec<(String, u32, u32)> {
        let listing = self.testbed.ipvsadm("-Ln");
        listing
            .lines()
            .filter(|line| line.starts_with("  -> 127."))
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let number = |at: usize| words[at].parse().expect("a number of connections");
                (words[1].to_owned(), number(4), number(5))
            })
            .collect()
    }
}

fn address_of(server: &str) -> String {
    let number = server.bytes().next().map_or(0, |letter| letter - b'A');
    format!("127.0.1.{}:80", 11 + number)
}

#[test]
fn lc_goes_to_the_server_with_the_least_connections() {
    let mut balanced = Balanced::new("lc", &[1, 1, 5]);
    // Newest first among equals; weights play no part.
    assert_eq!(balanced.open(6), "CBACBA");
    balanced.close(1);
    balanced.close(4);
    assert_eq!(
        balanced.open(3),
        "BBC",
        "B had lost both of its connections"
    );
}

#[test]
fn wlc_goes_by_connections_for_the_weight() {
    let mut balanced = Balanced::new("wlc", &[1, 2, 3]);
    let reached = balanced.open(12);
    let share = |server: char| reached.chars().filter(|name| *name == server).count();
    assert_eq!(
        (share('A'), share('B'), share('C')),
        (2, 4, 6),
        "of {reached}"
    );
}

#[test]
fn sed_prefers_the_strong_server_where_wlc_would_use_an_idle_one() {
    let mut balanced = Balanced::new("sed", &[1, 4]);
    // A would have one connection for a weight of one, B up to three for four.
    assert_eq!(balanced.open(5), "BBBBA");
}

#[test]
fn nq_goes_to_an_idle_server_first() {
    let mut balanced = Balanced::new("nq", &[1, 4]);
    assert_eq!(balanced.open(2), "BA");
}

#[test]
fn fo_stays_with_the_highest_weight_until_it_is_gone() {
    let mut balanced = Balanced::new("fo", &[1, 9, 5]);
    assert_eq!(balanced.open(3), "BBB");
    balanced.edit("B", "-w 0");
    assert_eq!(balanced.open(2), "CC");
}

#[test]
fn ovf_overflows_to_the_next_when_connections_exceed_the_weight() {
    let mut balanced = Balanced::new("ovf", &[1, 2]);
    // As long as there are not more than its weight, the next one still goes there.
    assert_eq!(balanced.open(6), "BBBAA-");
}

#[test]
fn sh_and_mh_keep_a_client_with_its_server() {
    for scheduler in ["sh", "mh"] {
        let mut balanced = Balanced::new(scheduler, &[1, 1, 1]);
        let reached = balanced.open(5);
        let first = &reached[..1];
        assert_eq!(reached, first.repeat(5), "{scheduler}");
        balanced.edit(first, "-w 0");
        assert_eq!(
            balanced.open(1),
            "-",
            "{scheduler} without the fallback flag"
        );
        balanced.testbed.ipvsadm(&format!(
            "-E -t {SERVICE} -s {scheduler} -b {scheduler}-fallback"
        ));
        let elsewhere = balanced.open(1);
        assert!(
            elsewhere != "-" && elsewhere != first,
            "{scheduler} with the fallback flag went to {elsewhere}, from {first}"
        );
    }
}

#[test]
fn dh_sends_all_connections_of_a_service_to_one_server() {
    let mut balanced = Balanced::new("dh", &[1, 1, 1]);
    let reached = balanced.open(4);
    assert_eq!(reached, reached[..1].repeat(4));
}

#[test]
fn twos_uses_no_server_of_weight_zero_and_both_others() {
    let mut balanced = Balanced::new("twos", &[1, 0, 1]);
    let reached = balanced.open(40);
    assert!(
        reached.contains('A') && reached.contains('C') && !reached.contains('B'),
        "{reached}"
    );
}

#[test]
fn lblc_stays_until_the_server_has_more_connections_than_its_weight() {
    let mut balanced = Balanced::new("lblc", &[4, 4]);
    // The sixth connection finds five established ones for a weight of four, and A idle.
    assert_eq!(balanced.open(6), "BBBBBA");
}

#[test]
fn lblcr_adds_servers_and_uses_all_it_has() {
    let mut balanced = Balanced::new("lblcr", &[4, 4]);
    assert_eq!(balanced.open(5), "BBBBB");
    let reached = balanced.open(4);
    assert_eq!(reached, "AAAA", "the least of both");
}

#[test]
fn a_server_at_its_upper_threshold_is_passed_over_until_it_is_below_the_lower() {
    let mut balanced = Balanced::new("rr", &[1, 1]);
    balanced.edit("B", "-w 1 -x 2 -y 1");
    assert_eq!(balanced.open(6), "BABAAA");
    balanced.close(0);
    assert_eq!(balanced.open(2), "AA", "one is left, the lower threshold");
    balanced.close(2);
    assert_eq!(balanced.open(2).matches('B').count(), 1, "none is left");
}

#[test]
fn all_servers_overloaded_is_refused() {
    for scheduler in ["rr", "wrr", "wlc", "fo", "twos"] {
        let mut balanced = Balanced::new(scheduler, &[1]);
        balanced.edit("A", "-w 1 -x 1");
        assert_eq!(balanced.open(2), "A-", "{scheduler}");
    }
}

#[test]
fn connections_are_counted_while_they_exist() {
    let mut balanced = Balanced::new("rr", &[1, 1]);
    balanced.open(4);
    let counted = |active: u32| {
        ["A", "B"]
            .map(|server| (address_of(server), active, 0))
            .to_vec()
    };
    assert_eq!(balanced.connections(), counted(2));
    for connection in 0..4 {
        balanced.close(connection);
    }
    assert_eq!(balanced.connections(), counted(0));
    let statistics = balanced.testbed.ipvsadm("-Ln --stats --exact");
    let service = statistics
        .lines()
        .find(|line| line.starts_with("TCP"))
        .expect("the service is listed");
    assert_eq!(
        service.split_whitespace().nth(2),
        Some("4"),
        "connections of {service}"
    );
}
