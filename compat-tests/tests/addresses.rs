//! Which address a connection has: the virtual one to the application, the server's to the network.

use compat_tests::{Testbed, application::Socket};
use nix::errno::Errno;

#[test]
fn an_ipv4_address_on_no_interface_is_reached() {
    let testbed = Testbed::new();
    let mut application = testbed.application();
    assert_eq!(
        application.connect("10.9.0.1:80"),
        Err(Errno::ENETUNREACH),
        "without a service there is no way to the address"
    );
    let _server = testbed.server("A", "127.0.0.11:8080");
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:8080 -m");

    assert_eq!(application.open("a", "10.9.0.1:80"), Ok("A".to_owned()));
    assert_eq!(application.peer("a"), "10.9.0.1:80", "getpeername");
    assert_eq!(application.say("a"), Ok("A".to_owned()));
}

#[test]
fn an_ipv6_address_on_no_interface_is_reached() {
    let testbed = Testbed::new();
    testbed.namespace.add_address("fd00:1::11/128");
    let _server = testbed.server("A", "[fd00:1::11]:8080");
    let mut application = testbed.application();
    assert_eq!(
        application.connect("[fd00:9::1]:80"),
        Err(Errno::ENETUNREACH)
    );
    testbed.ipvsadm("-A -t [fd00:9::1]:80 -s rr");
    testbed.ipvsadm("-a -t [fd00:9::1]:80 -r [fd00:1::11]:8080 -m");

    assert_eq!(application.open("a", "[fd00:9::1]:80"), Ok("A".to_owned()));
    assert_eq!(application.peer("a"), "[fd00:9::1]:80", "getpeername");
    assert_eq!(application.say("a"), Ok("A".to_owned()));
}

#[test]
fn an_ipv6_socket_reaches_an_ipv4_service_by_its_mapped_address() {
    let testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:8080");
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:8080 -m");
    let mut application = testbed.application();

    assert_eq!(
        application.open_by(Socket::Inet6, "a", "10.9.0.1:80"),
        Ok("A".to_owned())
    );
    assert_eq!(application.peer("a"), "[::ffff:10.9.0.1]:80", "getpeername");
    assert_eq!(
        application.connect_by(Socket::Inet6Only, "10.9.0.1:80"),
        Err(Errno::ENETUNREACH),
        "an IPv6-only socket has no way to an IPv4 address"
    );
}

#[test]
fn an_ipv6_service_with_an_ipv4_server_serves_sockets_that_can_reach_it() {
    let testbed = Testbed::new();
    // A tunnel has the service's port at its far end: nothing else can be meant.
    let _server = testbed.server("A", "127.0.0.11:80");
    testbed.ipvsadm("-A -t [fd00:9::1]:80 -s rr");
    testbed.ipvsadm("-a -t [fd00:9::1]:80 -r 127.0.0.11:80 -i");
    let mut application = testbed.application();

    assert_eq!(
        application.open_by(Socket::Inet6, "a", "[fd00:9::1]:80"),
        Ok("A".to_owned())
    );
    assert_eq!(application.peer("a"), "[fd00:9::1]:80", "getpeername");
    assert_eq!(
        application.connect_by(Socket::Inet6Only, "[fd00:9::1]:80"),
        Err(Errno::ENETUNREACH),
        "an IPv6-only socket has no way to the server"
    );
}

#[test]
fn an_ipv4_service_with_an_ipv6_server_serves_sockets_that_can_reach_it() {
    let testbed = Testbed::new();
    testbed.namespace.add_address("fd00:1::11/128");
    let _server = testbed.server("A", "[fd00:1::11]:80");
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r [fd00:1::11]:80 -i");
    let mut application = testbed.application();

    assert_eq!(
        application.open_by(Socket::Inet6, "a", "10.9.0.1:80"),
        Ok("A".to_owned())
    );
    assert_eq!(application.peer("a"), "[::ffff:10.9.0.1]:80", "getpeername");
    assert_eq!(
        application.connect("10.9.0.1:80"),
        Err(Errno::ENETUNREACH),
        "an IPv4 socket has no way to the server"
    );
}

#[test]
fn a_connection_that_is_no_services_has_its_own_peer() {
    let testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:8080");
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:8080 -m");
    let mut application = testbed.application();

    assert_eq!(application.open("a", "127.0.0.11:8080"), Ok("A".to_owned()));
    assert_eq!(application.peer("a"), "127.0.0.11:8080");
}
