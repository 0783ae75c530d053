//! What a `virtual_server` block can say about its service, and that connections follow.

use std::collections::BTreeSet;

use compat_tests::{
    Balancer,
    application::Socket,
    scene::{play, play_by_sockvs},
};
use nix::errno::Errno;

#[test]
fn every_scheduler_serves() {
    play(|scene| {
        let hosts = scene.hosts.each_ref();
        let _streams = [hosts[0].serve("A", 80), hosts[1].serve("B", 80)];
        let _datagrams = [
            hosts[0].serve_datagrams("A", 53),
            hosts[1].serve_datagrams("B", 53),
        ];
        scene.start("lb_algo");
        scene.becomes("all");
        for port in 8001..=8016 {
            for server in scene.reached(&format!("10.9.0.1:{port}"), 3) {
                assert!(["A", "B"].contains(&server.as_str()), "{port}: {server}");
            }
        }
        // Each datagram of a socket goes to another server (`ops`).
        scene.application.udp("it", Socket::Plain, "10.9.0.1:53");
        let answers: BTreeSet<_> = (0..2)
            .map(|_| {
                scene
                    .application
                    .ask("it", "10.9.0.1:53")
                    .expect("an answer")
            })
            .collect();
        assert_eq!(answers.len(), 2, "{answers:?}");
    });
}

/// Debian's kernels are built without it.
#[test]
fn the_scheduler_twos_serves() {
    play_by_sockvs(|scene| {
        let _servers = [scene.hosts[0].serve("A", 80), scene.hosts[1].serve("B", 80)];
        scene.start("twos");
        scene.becomes("all");
        for server in scene.reached("10.9.0.1:80", 4) {
            assert!(["A", "B"].contains(&server.as_str()), "{server}");
        }
    });
}

#[test]
fn every_forwarding_method_serves() {
    play(|scene| {
        let ports = 8001..=8008;
        let servers = |name: &str, host: usize| -> Vec<_> {
            ports
                .clone()
                .map(|port| scene.hosts[host].serve(name, port))
                .collect()
        };
        let _servers = [servers("A", 0), servers("B", 1)];
        scene.start("lb_kind");
        scene.becomes("all");
        // With the kernel's IPVS, the hosts would have to be set up for packets in packets.
        if scene.balancer == Balancer::Sockvs {
            for port in ports {
                let reached = scene.reached(&format!("10.9.0.1:{port}"), 4);
                assert_eq!(reached, ["A", "A", "B", "B"], "{port}");
            }
        }
    });
}

#[test]
fn persistent_clients_return_to_their_server() {
    play(|scene| {
        let _servers = [scene.hosts[0].serve("A", 80), scene.hosts[1].serve("B", 80)];
        scene.start("persistence");
        scene.becomes("all");
        for service in [
            "10.9.0.1:80",
            "10.9.0.1:81",
            "10.9.0.2:80",
            "[fd00:9::1]:80",
        ] {
            let reached: BTreeSet<_> = scene.reached(service, 5).into_iter().collect();
            assert_eq!(reached.len(), 1, "{service}: {reached:?}");
        }
        // Addresses that are neighbours by the granularity are one client.
        let mut from = |client: &str| {
            let client = Socket::From(client.parse().expect("an address"));
            scene
                .application
                .connect_by(client, "10.9.0.1:81")
                .expect("it connects")
        };
        let near = [from("10.9.1.1"), from("10.9.1.2"), from("10.9.1.99")];
        assert_eq!(near, [near[0].as_str(); 3]);
        assert_ne!(
            from("10.9.2.1"),
            near[0],
            "another network, the next server"
        );
    });
}

#[test]
fn a_group_is_served_at_its_addresses_and_mark() {
    play(|scene| {
        let [_a, b] = [scene.hosts[0].serve("A", 80), scene.hosts[1].serve("B", 80)];
        scene.start("group");
        let all = "10.9.0.1:80 10.9.0.20:80 10.9.0.21:80 10.9.0.22:80 10.9.0.32:81 10.9.0.35:81";
        scene.becomes("both");
        for service in all.split(' ') {
            assert_eq!(scene.reached(service, 2), ["A", "B"], "{service}");
        }
        let marked = |number| (0..number).map(|_| Socket::Marked(7));
        let mut reached: Vec<_> = marked(2)
            .map(|socket| scene.application.connect_by(socket, "10.9.0.200:80"))
            .collect();
        reached.sort_by_key(|server| server.clone().unwrap_or_default());
        assert_eq!(reached, [Ok("A".to_owned()), Ok("B".to_owned())]);
        drop(b);
        scene.becomes("A");
        for service in all.split(' ') {
            assert_eq!(scene.reached(service, 2), ["A", "A"], "{service}");
        }
    });
}

#[test]
fn marked_packets_are_served() {
    play(|scene| {
        let [_a, b] = [scene.hosts[0].serve("A", 80), scene.hosts[1].serve("B", 80)];
        scene.start("fwmark");
        scene.becomes("both");
        drop(b);
        scene.becomes("A");
        let reached = scene
            .application
            .connect_by(Socket::Marked(9), "10.9.0.200:80");
        assert_eq!(reached, Ok("A".to_owned()));
        let reached = scene.application.connect("10.9.0.200:80");
        assert_eq!(reached, Err(Errno::ECONNREFUSED), "without the mark");
    });
}

#[test]
fn servers_of_ipv6_go_out_and_in() {
    play(|scene| {
        let service = "[fd00:9::1]:80";
        let [_a, b] = [scene.hosts[0].serve("A", 80), scene.hosts[1].serve("B", 80)];
        scene.start("ipv6");
        scene.becomes("both");
        assert_eq!(scene.reached(service, 4), ["A", "A", "B", "B"]);
        drop(b);
        scene.becomes("A");
        assert_eq!(scene.reached(service, 4), ["A"; 4]);
        let _b = scene.hosts[1].serve("B", 80);
        scene.becomes("both");
        scene.hosts[1].cut();
        scene.becomes("A");
        assert_eq!(scene.reached(service, 4), ["A"; 4]);
    });
}

#[test]
fn servers_take_no_more_connections_than_their_thresholds() {
    play(|scene| {
        let service = "10.9.0.1:80";
        let _servers = [scene.hosts[0].serve("A", 80), scene.hosts[1].serve("B", 80)];
        scene.start("thresholds");
        scene.becomes("both");
        scene.keep("-L -n --thresholds");
        let mut open = |id: &str| scene.application.open(id, service);
        let mut reached = ["1", "2", "3"].map(|id| open(id).expect("a server has room"));
        reached.sort_unstable();
        assert_eq!(reached, ["A", "A", "B"]);
        assert_eq!(open("4"), Err(Errno::ECONNREFUSED), "all are full");
    });
}

#[test]
fn timeouts_and_sync_daemons_are_set_and_undone() {
    play(|scene| {
        let _servers = [scene.hosts[0].serve("A", 80), scene.hosts[1].serve("B", 80)];
        let before = scene.keep("-L --timeout");
        scene.start("lvs_timeouts");
        scene.becomes("both");
        assert_eq!(
            scene.keep("-L --timeout"),
            "Timeout (tcp tcpfin udp): 1000 60 200\n"
        );
        let daemons = scene.keep("-L --daemon");
        assert_eq!(daemons.lines().count(), 2, "{daemons}");
        assert_eq!(scene.reached("10.9.0.1:80", 4), ["A", "A", "B", "B"]);
        scene.keepalived().stop();
        assert_eq!(scene.keep("-L --timeout"), before);
        assert_eq!(scene.keep("-L --daemon"), "");
    });
}

#[test]
fn a_service_that_is_refused_leaves_the_others_alone() {
    play(|scene| {
        let _server = scene.hosts[0].serve("A", 80);
        scene.start("not_served");
        scene.becomes("served");
        assert_eq!(scene.reached("10.9.0.1:83", 2), ["A", "A"]);
        scene.keepalived().stop();
        let log = scene.keep_log();
        println!("{:?}:\n{log}", scene.balancer);
        scene.becomes("nothing");
    });
}
