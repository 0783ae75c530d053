//! Which server a service's connections reach, and what happens when none can be used.

use compat_tests::{Server, Testbed};
use nix::errno::Errno;

const SERVICE: &str = "10.9.0.1:80";

#[test]
fn every_forwarding_method_reaches_the_destinations_own_port() {
    let testbed = Testbed::new();
    let mut application = testbed.application();
    let _servers = [
        testbed.server("other port", "127.0.0.11:8080"),
        testbed.server("same", "127.0.0.11:80"),
    ];
    // ipvsadm itself gives a destination that it does not masquerade for the service's port.
    for (method, expected) in [("-m", "other port"), ("-g", "same"), ("-i", "same")] {
        testbed.ipvsadm(&format!("-A -t {SERVICE} -s rr"));
        testbed.ipvsadm(&format!("-a -t {SERVICE} -r 127.0.0.11:8080 {method}"));
        assert_eq!(
            application.connect(SERVICE),
            Ok(expected.to_owned()),
            "with {method}"
        );
        testbed.ipvsadm(&format!("-D -t {SERVICE}"));
    }
}

#[test]
fn a_client_that_asks_for_another_port_gets_it_with_every_forwarding_method() {
    let testbed = Testbed::new();
    let mut application = testbed.application();
    let _server = testbed.server("A", "127.0.0.11:8080");
    let mut client = testbed.talk("sockvs-neli-client");
    for method in ["-m", "-g", "-i"] {
        client.must(&format!("-A -t {SERVICE} -s rr"));
        client.must(&format!("-a -t {SERVICE} -r 127.0.0.11:8080 {method}"));
        assert_eq!(
            application.connect(SERVICE),
            Ok("A".to_owned()),
            "with {method}"
        );
        client.must(&format!("-D -t {SERVICE}"));
    }
}

#[test]
fn a_service_without_a_usable_destination_refuses() {
    let testbed = Testbed::new();
    let mut application = testbed.application();
    let _servers = two_servers(&testbed);

    testbed.ipvsadm(&format!("-A -t {SERVICE} -s wrr"));
    assert_eq!(
        application.connect(SERVICE),
        Err(Errno::ECONNREFUSED),
        "no destination at all"
    );

    testbed.ipvsadm(&format!("-a -t {SERVICE} -r 127.0.0.11:80 -m -w 0"));
    assert_eq!(
        application.connect(SERVICE),
        Err(Errno::ECONNREFUSED),
        "only one of weight 0"
    );

    testbed.ipvsadm(&format!("-e -t {SERVICE} -r 127.0.0.11:80 -m -w 1"));
    assert_eq!(
        application.connect(SERVICE),
        Ok("A".to_owned()),
        "its weight is 1"
    );

    testbed.ipvsadm(&format!("-d -t {SERVICE} -r 127.0.0.11:80"));
    assert_eq!(
        application.connect(SERVICE),
        Err(Errno::ECONNREFUSED),
        "it is deleted"
    );

    testbed.ipvsadm(&format!("-D -t {SERVICE}"));
    assert_eq!(
        application.connect(SERVICE),
        Err(Errno::ENETUNREACH),
        "the service is deleted"
    );
}

#[test]
fn an_ipv6_service_without_a_usable_destination_refuses() {
    let testbed = Testbed::new();
    testbed.ipvsadm("-A -t [fd00:9::1]:80 -s rr");
    assert_eq!(
        testbed.application().connect("[fd00:9::1]:80"),
        Err(Errno::ECONNREFUSED)
    );
}

#[test]
fn a_destination_of_weight_0_gets_no_new_connections_but_keeps_its_own() {
    let testbed = Testbed::new();
    let mut application = testbed.application();
    let _servers = two_servers(&testbed);
    serve_by_both(&testbed);
    let kept = application.open("kept", SERVICE).expect("connects");

    let address = if kept == "A" {
        "127.0.0.11:80"
    } else {
        "127.0.0.12:80"
    };
    testbed.ipvsadm(&format!("-e -t {SERVICE} -r {address} -m -w 0"));
    let other = if kept == "A" { "B" } else { "A" };
    assert_eq!(application.connect_many(SERVICE, 6), [other; 6]);
    assert_eq!(
        application.say("kept"),
        Ok(kept),
        "the connection from before"
    );
}

#[test]
fn a_server_that_does_not_listen_refuses_by_itself() {
    let testbed = Testbed::new();
    testbed.ipvsadm(&format!("-A -t {SERVICE} -s rr"));
    testbed.ipvsadm(&format!("-a -t {SERVICE} -r 127.0.0.11:80 -m"));
    assert_eq!(
        testbed.application().connect(SERVICE),
        Err(Errno::ECONNREFUSED)
    );
}

#[test]
fn established_connections_survive_the_deletion_of_their_server_service_and_table() {
    let testbed = Testbed::new();
    let mut application = testbed.application();
    let _servers = two_servers(&testbed);
    serve_by_both(&testbed);
    let first = application.open("first", SERVICE).expect("connects");
    let second = application.open("second", SERVICE).expect("connects");
    assert_ne!(first, second, "round robin");

    let steps = [
        "-d -t 10.9.0.1:80 -r 127.0.0.11:80",
        "-D -t 10.9.0.1:80",
        "-C",
    ];
    for step in steps {
        testbed.ipvsadm(step);
        assert_eq!(application.say("first"), Ok(first.clone()), "after {step}");
        assert_eq!(
            application.say("second"),
            Ok(second.clone()),
            "after {step}"
        );
        assert_eq!(application.peer("first"), SERVICE, "after {step}");
    }
}

#[test]
fn connections_go_on_being_balanced_while_the_daemon_is_away() {
    let mut testbed = Testbed::new();
    let mut application = testbed.application();
    let _servers = two_servers(&testbed);
    serve_by_both(&testbed);
    let kept = application.open("kept", SERVICE).expect("connects");

    testbed.daemon.stop();
    let mut reached = application.connect_many(SERVICE, 4);
    reached.sort_unstable();
    assert_eq!(reached, ["A", "A", "B", "B"]);
    assert_eq!(application.say("kept"), Ok(kept));
    assert_eq!(application.peer("kept"), SERVICE);
}

fn two_servers(testbed: &Testbed) -> [Server; 2] {
    [
        testbed.server("A", "127.0.0.11:80"),
        testbed.server("B", "127.0.0.12:80"),
    ]
}

fn serve_by_both(testbed: &Testbed) {
    testbed.ipvsadm(&format!("-A -t {SERVICE} -s rr"));
    testbed.ipvsadm(&format!("-a -t {SERVICE} -r 127.0.0.11:80 -m"));
    testbed.ipvsadm(&format!("-a -t {SERVICE} -r 127.0.0.12:80 -m"));
}
