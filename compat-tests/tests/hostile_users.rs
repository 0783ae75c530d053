//! What a user without rights may do to `sockvs exec` and to the daemon behind it: root's clients
//! are served within a second, `sockvs status` answers, and the daemon ends when it is told to.

use std::{
    thread,
    time::{Duration, Instant},
};

use compat_tests::{
    Client, Conversation, Intercept, StuckFile, Testbed, binaries,
    eventually::{done_within, eventually},
};

/// How long root's `ipvsadm -Ln` may take, whatever others do.
const LIMIT: Duration = Duration::from_secs(1);
/// How long the daemon may take to end.
const END: Duration = Duration::from_secs(5);
const TABLE: &str = "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.1.0.11:80 -m -w 1\n";

struct Scene {
    attacker: Conversation,
    testbed: Testbed,
    /// Root's clients, under `sockvs exec` whatever the interceptor.
    root: Client,
    exec_socket: String,
}

impl Scene {
    fn new() -> Self {
        let testbed = Testbed::new();
        testbed.client().restore(TABLE);
        let socket = testbed.daemon.socket().to_owned();
        let exec_socket = format!("{}.exec", socket.display());
        let root = Client::new(testbed.place(), socket, Intercept::Seccomp);
        let command = testbed.place().command(binaries::ours("sockvs-attacker"));
        let attacker = Conversation::start(command, "sockvs-attacker", &testbed.folder);
        Self {
            attacker,
            testbed,
            root,
            exec_socket,
        }
    }

    /// Root and the service manager notice nothing.
    #[track_caller]
    fn assert_served(&self) {
        for _ in 0..5 {
            done_within(LIMIT, "root's ipvsadm -Ln", || {
                let listed = self.root.ipvsadm("-Ln");
                assert!(listed.contains("10.1.0.11:80"), "{listed}");
            });
            let status = self.testbed.daemon.status();
            assert!(status.status.success(), "{status}");
        }
    }

    /// The daemon ends while the attack lasts, and the next one serves.
    #[track_caller]
    fn assert_ends(&mut self) {
        let start = Instant::now();
        self.testbed.daemon.stop();
        let took = start.elapsed();
        assert!(took < END, "SIGTERM took {took:?}");
        self.testbed.daemon.start_again();
        assert_eq!(self.root.saved(), TABLE, "after the attack");
    }
}

#[test]
fn lingering_sockets_delay_no_other_client() {
    let mut scene = Scene::new();
    let command = format!("lingering {} 8", scene.exec_socket);
    scene.attacker.must(&command);
    thread::sleep(Duration::from_millis(500));
    scene.assert_served();
    scene.assert_ends();
}

#[test]
fn files_that_never_flush_delay_no_other_client() {
    let mut scene = Scene::new();
    let Some(stuck) = StuckFile::new(&scene.testbed.folder) else {
        return;
    };
    let path = stuck.path();
    let command = format!("file {} 8 {}", scene.exec_socket, path.display());
    scene.attacker.must(&command);
    eventually(Duration::from_secs(10), || match stuck.waiting() {
        8 => Ok(()),
        waiting => Err(format!("{waiting} threads wait for the file system")),
    });
    scene.assert_served();
    // What is stuck is not in the way of the next daemon either.
    scene.testbed.daemon.kill();
    scene.testbed.daemon.start_again();
    scene.attacker.must(&command);
    scene.assert_served();
    scene.assert_ends();
}

#[test]
fn a_flood_of_connections_does_not_delay_root() {
    let mut scene = Scene::new();
    let command = format!("connect {} 4", scene.exec_socket);
    scene.attacker.must(&command);
    thread::sleep(Duration::from_millis(500));
    scene.assert_served();
    scene.assert_ends();
}

#[test]
fn a_flood_of_long_requests_does_not_delay_root() {
    let mut scene = Scene::new();
    let command = format!("ask {} 200", scene.exec_socket);
    scene.attacker.must(&command);
    thread::sleep(Duration::from_millis(500));
    scene.assert_served();
    scene.assert_ends();
}

#[test]
fn connections_per_user_are_limited_and_the_log_says_so() {
    let mut scene = Scene::new();
    let command = format!("connections {} 100", scene.exec_socket);
    scene.attacker.must(&command);
    scene.assert_served();
    let log = || scene.testbed.daemon.log();
    eventually(Duration::from_secs(10), || {
        let refused = log().lines().any(|line| {
            line.contains("sockvs exec is refused a connection") && line.contains("65534")
        });
        refused.then_some(()).ok_or_else(log)
    });
    scene.assert_ends();
}
