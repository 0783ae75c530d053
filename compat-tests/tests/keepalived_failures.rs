//! What becomes of connections when servers fail, and who is told.

use std::{thread, time::Duration};

use compat_tests::{Balancer, Scene, Server, scene::play, traffic::now};
use nix::errno::Errno;

/// The interval of checks is a second, and a failed one is tried again after a tenth. The rest is
/// for a machine that is emulated and busy.
const ROUND: Duration = Duration::from_secs(10);

/// How many threads connect.
const THREADS: usize = 2;

const SERVICE: &str = "10.9.0.1:80";

#[test]
fn a_sorry_server_is_there_when_all_others_have_failed() {
    play(|scene| {
        let serve = |scene: &Scene, host: usize| -> Server {
            scene.hosts[host].serve(["A", "B"][host], 80)
        };
        let _sorry = [81, 85].map(|port| scene.hosts[0].serve("sorry", port));
        let (a, b) = (serve(scene, 0), serve(scene, 1));
        scene.start("sorry_server");
        scene.becomes("all");
        drop(b);
        scene.becomes("without B");
        drop(a);
        scene.becomes("sorry");
        for port in 80..=84 {
            let server = if port == 82 { "-" } else { "sorry" };
            let reached = scene.reached(&format!("10.9.0.1:{port}"), 2);
            assert_eq!(reached, [server; 2], "{:?}, port {port}", scene.balancer);
        }
        // The kernel's IPVS would send packets for the service's address there, which the host has
        // not.
        if scene.balancer == Balancer::Sockvs {
            assert_eq!(scene.reached("10.9.0.1:85", 2), ["sorry"; 2]);
        }
        let _b = serve(scene, 1);
        scene.becomes("B");
        for port in 80..=85 {
            let reached = scene.reached(&format!("10.9.0.1:{port}"), 2);
            assert_eq!(reached, ["B"; 2], "{:?}, port {port}", scene.balancer);
        }
    });
}

#[test]
fn notify_scripts_run_for_servers_and_the_quorum() {
    play(|scene| {
        // Without `alpha`, servers are taken to be up until they are checked.
        scene.start("quorum");
        scene.becomes("no server");
        scene.notes_become(&[
            "alpha A down",
            "alpha B down",
            "plain A down",
            "plain B down",
            "plain quorum down",
            "plain quorum up",
        ]);
        let a = scene.hosts[0].serve("A", 80);
        scene.becomes("A");
        scene.notes_become(&["alpha A up", "plain A up"]);
        let _b = scene.hosts[1].serve("B", 80);
        scene.becomes("both");
        scene.notes_become(&[
            "alpha B up",
            "alpha quorum up",
            "plain B up",
            "plain quorum up",
        ]);
        drop(a);
        scene.becomes("B");
        scene.notes_become(&["alpha A down", "plain A down"]);
        assert_eq!(scene.reached(SERVICE, 2), ["B", "B"]);
        // Only with `omega` do scripts hear of the end.
        scene.keepalived().stop();
        scene.becomes("stopped");
        scene.notes_become(&["alpha B down", "alpha quorum down"]);
    });
}

#[test]
fn connections_to_a_dead_server_stop_within_a_round_of_checks() {
    play(|scene| {
        let _a = scene.hosts[0].serve("A", 80);
        let b = scene.hosts[1].serve("B", 80);
        scene.start("failover");
        scene.becomes("both");
        scene.application.hammer(SERVICE, THREADS);
        thread::sleep(Duration::from_secs(2));
        let dies = now();
        drop(b);
        scene.becomes("A");
        let out = now();
        thread::sleep(Duration::from_secs(1));
        let attempts = scene.application.rest();

        let failed: Vec<_> = attempts.iter().filter(|it| it.reached.is_err()).collect();
        let last = failed.last().map_or(dies, |attempt| attempt.started);
        let meanwhile = attempts
            .iter()
            .filter(|it| it.started <= last && dies <= it.ended);
        let served = meanwhile.filter(|it| it.reached.is_ok()).count();
        let took = Duration::from_nanos(last - dies);
        println!(
            "{:?}: of {} connections {} failed, all within {took:?}, while {served} did not",
            scene.balancer,
            attempts.len(),
            failed.len(),
        );
        assert!(last < out, "a connection failed when the server was out");
        assert!(took < ROUND, "connections to the dead server for {took:?}");
        for attempt in &failed {
            // By a host that has no such server, or by a server that ended before it had greeted.
            let dead = [Errno::ECONNREFUSED, Errno::ECONNRESET].map(Err);
            assert!(dead.contains(&attempt.reached), "{attempt:?}");
        }
        // Each in turn: had those to A failed, there were more than its share. Some of B's were
        // waiting for it to accept them when it ended.
        assert!(
            failed.len() <= served + 4 * THREADS,
            "more failed than went to B"
        );
    });
}
