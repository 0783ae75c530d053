//! Records of services and servers are used again when these are gone. What still belongs to the
//! earlier ones is not counted at the later ones.

use std::time::Duration;

use compat_tests::{
    Census, SocketLoad, Testbed,
    eventually::eventually,
    listing,
    socket_load::{Counts, NOBODY},
};

const OLD: &str = "10.9.0.1:80";
const NEW: &str = "10.9.0.2:80";

fn add(testbed: &Testbed, service: &str, host: u8) {
    testbed.client().restore(&format!(
        "-A -t {service} -s rr
         -a -t {service} -r 127.0.0.{host}:80 -m
"
    ));
}

/// All numbers of the only service, and of its only server.
fn numbers(testbed: &Testbed, what: &str) -> Vec<Vec<u64>> {
    let listed = listing::read(&testbed.ipvsadm(what));
    listed.into_iter().map(|line| line.numbers).collect()
}

#[test]
fn a_connection_begun_after_its_service_was_deleted_is_not_counted_for_another() {
    let testbed = Testbed::new();
    let _servers = [11, 12].map(|host| testbed.server("S", &format!("127.0.0.{host}:80")));
    let mut load = SocketLoad::start(&testbed, NOBODY);
    add(&testbed, OLD, 11);
    load.run(&format!("deferred 200 {OLD}"));
    testbed.ipvsadm(&format!("-D -t {OLD}"));
    add(&testbed, NEW, 12);
    let sent = load.run("send");
    assert_eq!(sent, Counts::from([("ok".to_owned(), 200)]));
    assert_eq!(
        numbers(&testbed, "-Ln"),
        [vec![], vec![1, 0, 0]],
        "no connection was made to the new service"
    );
    let nothing = vec![0; 5];
    let stats = || numbers(&testbed, "-Ln --stats --exact");
    assert_eq!(stats(), [nothing.clone(), nothing.clone()]);
    load.run("close");
    eventually(Duration::from_secs(60), || {
        Census::of(testbed.daemon.pin_dir()).is_empty()
    });
    assert_eq!(stats(), [nothing.clone(), nothing]);
}

#[test]
fn bytes_carried_after_a_service_was_deleted_are_not_counted_for_another() {
    let testbed = Testbed::new();
    let _servers = [("O", 11), ("N", 12)]
        .map(|(name, host)| testbed.server(name, &format!("127.0.0.{host}:80")));
    add(&testbed, OLD, 11);
    let mut application = testbed.application();
    for id in ["a", "b", "c"] {
        assert_eq!(application.open(id, OLD).as_deref(), Ok("O"));
    }
    testbed.ipvsadm(&format!("-D -t {OLD}"));
    add(&testbed, NEW, 12);
    for _ in 0..10 {
        for id in ["a", "b"] {
            assert_eq!(application.say(id).as_deref(), Ok("O"));
        }
    }
    let nothing = vec![0; 5];
    let expected = [nothing.clone(), nothing];
    let stats = || numbers(&testbed, "-Ln --stats --exact");
    assert_eq!(stats(), expected, "while the connections are open");
    application.close("a");
    drop(application);
    assert_eq!(stats(), expected, "when they are closed");
    assert_eq!(numbers(&testbed, "-Ln"), [vec![], vec![1, 0, 0]]);
}
