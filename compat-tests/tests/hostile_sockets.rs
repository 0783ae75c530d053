//! A user without rights makes sockets by the ten thousands, of the kinds of which something used
//! to stay for good. Afterwards all others are served, counted and answered as ever, and nothing is
//! left.

use std::time::Duration;

use compat_tests::{
    Census, Server, SocketLoad, Testbed,
    application::Socket,
    eventually::eventually,
    listing,
    socket_load::{Counts, NOBODY},
};

/// More than there are entries in the array.
const MANY: u64 = 70_000;
/// How long what is left may stay: the daemon looks every few seconds.
const CLEARED: Duration = Duration::from_secs(60);

/// A service with a server on another machine, which no socket that is bound to 127.0.0.1 reaches;
/// one with one server; and one with the servers A and B, where B has what is too much for A.
struct World {
    load: SocketLoad,
    _servers: [Server; 3],
    testbed: Testbed,
}

const REMOTE: &str = "10.9.0.1:80";
const NEAR: &str = "10.9.0.2:80";
const LIMITED: &str = "10.9.0.3:80";

impl World {
    fn new() -> Self {
        let testbed = Testbed::new();
        testbed.namespace.ip_batch(
            "link add far0 type veth peer name far1
             link set far1 up
             link set far0 up
             address add 10.1.0.1/24 dev far0",
        );
        testbed.client().restore(&format!(
            "-A -t {REMOTE} -s rr
             -a -t {REMOTE} -r 10.1.0.9:80 -m
             -A -t {NEAR} -s rr
             -a -t {NEAR} -r 127.0.0.11:80 -m
             -A -t {LIMITED} -s fo
             -a -t {LIMITED} -r 127.0.0.12:80 -m -w 2 -x 4 -y 2
             -a -t {LIMITED} -r 127.0.0.13:80 -m
"
        ));
        let servers = [("N", 11), ("A", 12), ("B", 13)];
        Self {
            load: SocketLoad::start(&testbed, NOBODY),
            _servers: servers
                .map(|(name, host)| testbed.server(name, &format!("127.0.0.{host}:80"))),
            testbed,
        }
    }

    /// All others are served as if nothing had been.
    #[track_caller]
    fn others_are_served(&self) {
        let mut application = self.testbed.application();
        for number in 0..100 {
            let id = number.to_string();
            assert_eq!(application.open(&id, NEAR).as_deref(), Ok("N"), "{number}");
            assert_eq!(application.peer(&id), NEAR, "connection {number}");
        }
        assert_eq!(self.active(NEAR), [100], "all are counted");
        let reached: Vec<_> = (0..6)
            .map(|number| application.open(&format!("limited{number}"), LIMITED))
            .collect();
        let served = |name: &str| Ok(name.to_owned());
        let expected = ["A", "A", "A", "A", "B", "B"].map(served);
        assert_eq!(reached, expected, "A takes 4 connections");
        for number in 0..3 {
            application.close(&format!("limited{number}"));
        }
        let again = application.connect_by(Socket::Plain, LIMITED);
        assert_eq!(again, served("A"), "A has 1 connection, which is below 2");
        drop(application);
        eventually(Duration::from_secs(20), || match self.active(NEAR)[..] {
            [0] => Ok(()),
            ref some => Err(format!("counted: {some:?}")),
        });
    }

    /// Open connections to each server of a service.
    #[track_caller]
    fn active(&self, service: &str) -> Vec<u64> {
        let listed = listing::read(&self.testbed.ipvsadm("-Ln"));
        let servers = listed.iter().filter(|line| line.server.is_some());
        servers
            .filter(|line| line.service.to_string() == service)
            .map(|line| line.numbers[1])
            .collect()
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        eventually(CLEARED, || {
            Census::of(self.testbed.daemon.pin_dir()).is_empty()
        });
    }
}

fn all(what: &str, number: u64) -> Counts {
    Counts::from([(what.to_owned(), number)])
}

#[test]
fn sockets_that_listen_after_a_failed_connect_leave_nothing() {
    let mut world = World::new();
    let made = world.load.run(&format!("stranded {MANY} {REMOTE}"));
    assert_eq!(made, all("EINVAL", MANY));
    world.others_are_served();
    world.nothing_is_left();
}

#[test]
fn sockets_of_multipath_tcp_whose_connect_failed_leave_nothing() {
    let mut world = World::new();
    let made = world.load.run(&format!("mptcp {MANY} {REMOTE}"));
    assert_eq!(made, all("EINVAL", MANY));
    world.others_are_served();
    world.nothing_is_left();
}

#[test]
fn sockets_that_listen_instead_of_sending_their_first_data_leave_nothing() {
    let mut world = World::new();
    let made = world.load.run(&format!("unsent {MANY} {NEAR}"));
    assert_eq!(made, all("ok", MANY));
    world.others_are_served();
    world.nothing_is_left();
}
