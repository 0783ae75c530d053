//! A pair of machines with keepalived, which hand an address to each other while both balance.

use std::time::Duration;

use compat_tests::{
    Balancer, Scene, Server, eventually::eventually, keepalived::Parts, scene::play,
};

const SERVICE: &str = "10.7.0.100:80";
const LIMIT: Duration = Duration::from_secs(120);

fn servers(scene: &Scene) -> [Server; 2] {
    [scene.hosts[0].serve("A", 80), scene.hosts[1].serve("B", 80)]
}

/// Waits until the service's address is on one machine and not on the other.
#[track_caller]
fn address_moves(from: &Scene, to: &Scene) -> Duration {
    let has = |scene: &Scene| {
        let addresses = scene
            .namespace()
            .ip(&["-4", "address", "show", "dev", "pair"]);
        addresses.contains("10.7.0.100/24")
    };
    eventually(LIMIT, || match (has(from), has(to)) {
        (false, true) => Ok(()),
        other => Err(format!("{:?}: it is there: {other:?}", from.balancer)),
    })
}

/// Waits until this machine runs the sync daemon of this state.
#[track_caller]
fn syncs_as(scene: &Scene, state: &str) {
    eventually(LIMIT, || {
        let daemons = scene.client.ipvsadm("-L --daemon");
        let right = daemons.starts_with(state) && daemons.lines().count() == 1;
        right
            .then_some(())
            .ok_or(format!("not {state}, but {daemons:?}"))
    });
}

#[test]
fn an_address_moves_and_both_machines_balance_all_the_while() {
    play(|first| {
        let mut second = first.with_peer();
        let _servers = [servers(first), servers(&second)];
        first.start_parts("vrrp_first", Parts::All);
        second.start_parts("vrrp_second", Parts::All);
        address_moves(&second, first);
        for (scene, state) in [(&mut *first, "master"), (&mut second, "backup")] {
            scene.becomes("both");
            syncs_as(scene, state);
            assert_eq!(scene.reached(SERVICE, 4), ["A", "A", "B", "B"]);
        }
        second.application.hammer(SERVICE, 1);

        first.keepalived().stop();
        let took = address_moves(first, &second);
        println!("{:?}: to the second after {took:?}", first.balancer);
        first.becomes("stopped");
        second.becomes("both");
        syncs_as(&second, "master");

        first.start_parts("vrrp_first", Parts::All);
        let took = address_moves(&second, first);
        println!("{:?}: back after {took:?}", first.balancer);
        first.becomes("both");
        syncs_as(first, "master");
        syncs_as(&second, "backup");
        let attempts = second.application.rest();
        let failed: Vec<_> = attempts.iter().filter(|it| it.reached.is_err()).collect();
        println!(
            "{:?}: {} connections from the second, {} failed",
            first.balancer,
            attempts.len(),
            failed.len()
        );
        // With the kernel's IPVS, connections have the address for their source while it is there.
        if first.balancer == Balancer::Sockvs {
            assert!(failed.is_empty(), "{failed:?}");
        }
        for scene in [first, &mut second] {
            assert_eq!(scene.reached(SERVICE, 4), ["A", "A", "B", "B"]);
        }
    });
}
