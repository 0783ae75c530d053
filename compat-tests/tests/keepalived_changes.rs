//! Configurations, daemons and keepalived itself change while connections are made.

use compat_tests::{Balancer, Intercept, Scene, Server, application::Attempt, scene::play};

const SERVICE: &str = "10.9.0.1:80";

fn servers(scene: &Scene) -> [Server; 2] {
    [scene.hosts[0].serve("A", 80), scene.hosts[1].serve("B", 80)]
}

#[test]
fn a_reload_disturbs_no_connection() {
    play(|scene| {
        let _servers = servers(scene);
        let _more = scene.hosts[1].serve("C", 81);
        scene.start("reload_before");
        scene.becomes("before");
        scene.application.hammer(SERVICE, 2);
        for _ in 0..2 {
            scene.reload("reload_after");
            scene.becomes("after");
            scene.reload("reload_before");
            scene.becomes("before");
        }
        let attempts = scene.application.rest();
        let failed: Vec<&Attempt> = attempts.iter().filter(|a| a.reached.is_err()).collect();
        println!(
            "{:?}: {} connections, {} failed",
            scene.balancer,
            attempts.len(),
            failed.len()
        );
        // The kernel's IPVS refuses connections while a service gets another scheduler.
        if scene.balancer == Balancer::Sockvs {
            assert!(failed.is_empty(), "{failed:?}");
        }
    });
}

#[test]
fn a_daemon_that_is_killed_and_started_again_keeps_the_table() {
    play(|scene| {
        let [_a, b] = servers(scene);
        scene.start("tcp_check");
        scene.becomes("both");
        if scene.balancer == Balancer::Sockvs {
            let testbed = scene.testbed();
            testbed.daemon.kill();
            testbed.daemon.start_again();
        }
        scene.becomes("both");
        assert_eq!(scene.reached(SERVICE, 4), ["A", "A", "B", "B"]);
        drop(b);
        scene.becomes("A");
        assert_eq!(scene.reached(SERVICE, 4), ["A"; 4]);
    });
}

/// keepalived says once that a server is out. Under `sockvs exec` that waits for the next daemon.
/// Unwrapped, it goes to the kernel while there is no daemon, and is lost, until the server's next
/// change.
#[test]
fn a_server_that_fails_while_the_daemon_is_started_again_is_out_afterwards() {
    play(|scene| {
        let [_a, b] = servers(scene);
        scene.start("tcp_check");
        scene.becomes("both");
        if scene.balancer == Balancer::Sockvs {
            scene.testbed().daemon.kill();
        }
        drop(b);
        scene.logs("Removing service [10.8.2.2]:tcp:80");
        if scene.balancer == Balancer::Sockvs {
            scene.testbed().daemon.start_again();
        }
        if Intercept::chosen() == Intercept::Seccomp {
            scene.becomes("A");
            assert_eq!(scene.reached(SERVICE, 4), ["A"; 4]);
        }
        let b = scene.hosts[1].serve("B", 80);
        scene.logs("Adding service [10.8.2.2]:tcp:80");
        scene.becomes("both");
        assert_eq!(scene.reached(SERVICE, 4), ["A", "A", "B", "B"]);
        drop(b);
        scene.becomes("A");
        assert_eq!(scene.reached(SERVICE, 4), ["A"; 4]);
    });
}

#[test]
fn keepalived_that_is_killed_finds_its_table_again() {
    play(|scene| {
        let [_a, b] = servers(scene);
        scene.start("tcp_check");
        scene.becomes("both");
        scene.keepalived().kill();
        scene.becomes("both");
        assert_eq!(scene.reached(SERVICE, 4), ["A", "A", "B", "B"]);
        drop(b);
        scene.start("tcp_check");
        scene.becomes("A");
        let log = scene.keep_log();
        println!("{:?}:\n{log}", scene.balancer);
        assert_eq!(scene.reached(SERVICE, 4), ["A"; 4]);
        let _b = scene.hosts[1].serve("B", 80);
        scene.becomes("both");
    });
}

#[test]
fn checkers_that_are_killed_come_again() {
    play(|scene| {
        let [_a, b] = servers(scene);
        scene.start("tcp_check");
        scene.becomes("both");
        let keepalived = scene.keepalived();
        let checkers = keepalived.process("checkers").expect("checkers run");
        nix::sys::signal::kill(checkers, nix::sys::signal::Signal::SIGKILL).expect("they run");
        drop(b);
        scene.becomes("A");
        assert_eq!(scene.reached(SERVICE, 4), ["A"; 4]);
    });
}

/// A service added by hand, which keepalived knows nothing of.
fn foreign(scene: &Scene) {
    scene
        .client
        .restore("-A -t 10.9.0.9:99 -s wlc\n-a -t 10.9.0.9:99 -r 10.8.1.2:99 -m -w 7\n");
}

#[test]
fn what_was_there_before_goes_or_stays_as_the_configuration_says() {
    play(|scene| {
        let _servers = servers(scene);
        for configuration in [
            "tcp_check",
            "lvs_flush",
            "lvs_flush_on_stop_vs",
            "lvs_flush_on_stop",
        ] {
            foreign(scene);
            scene.start(configuration);
            scene.becomes("running");
            assert_eq!(scene.reached(SERVICE, 4), ["A", "A", "B", "B"]);
            scene.keepalived().stop();
            scene.becomes("stopped");
            scene.client.ipvsadm("-C");
        }
    });
}
