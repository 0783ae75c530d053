//! Persistence, services for all ports, and services for firewall marks.

use std::{net::IpAddr, thread, time::Duration};

use compat_tests::{Application, Server, Testbed, application::Socket, binaries, program};
use nix::errno::Errno;

fn from(address: &str) -> Socket {
    let address: IpAddr = address.parse().expect("an address");
    Socket::From(address)
}

/// Servers A and B of a persistent service, as these options add it.
fn serving(options: &str) -> (Testbed, [Server; 4]) {
    let testbed = Testbed::new();
    let servers = [
        testbed.server("A", "127.0.0.11:80"),
        testbed.server("B", "127.0.0.12:80"),
        testbed.server("A6", "[::1]:81"),
        testbed.server("B6", "[::1]:82"),
    ];
    testbed.client().restore(&format!(
        "-A -t 10.9.0.1:80 -s rr {options}
         -a -t 10.9.0.1:80 -r 127.0.0.11:80 -m
         -a -t 10.9.0.1:80 -r 127.0.0.12:80 -m
"
    ));
    (testbed, servers)
}

#[track_caller]
fn connect_from(application: &mut Application, client: &str) -> String {
    let reached = application.connect_by(from(client), "10.9.0.1:80");
    reached.unwrap_or_else(|errno| panic!("from {client}: {errno}"))
}

#[test]
fn a_client_stays_with_its_server_until_its_time_is_over() {
    let (testbed, _servers) = serving("-p 2");
    let mut application = testbed.application();
    let mut connect = |client| connect_from(&mut application, client);
    assert_eq!(["127.0.0.1", "127.0.0.2"].map(&mut connect), ["B", "A"]);
    for _ in 0..3 {
        assert_eq!(["127.0.0.1", "127.0.0.2"].map(&mut connect), ["B", "A"]);
    }
    thread::sleep(Duration::from_millis(2300));
    assert_eq!(["127.0.0.2", "127.0.0.1"].map(&mut connect), ["B", "A"]);
}

#[test]
fn a_client_is_remembered_as_long_as_its_connection_lives() {
    let (testbed, _servers) = serving("-p 1");
    let mut application = testbed.application();
    let server = application
        .open_by(from("127.0.0.1"), "long", "10.9.0.1:80")
        .expect("a server");
    thread::sleep(Duration::from_millis(1600));
    for _ in 0..2 {
        assert_eq!(connect_from(&mut application, "127.0.0.1"), server);
    }
    application.close("long");
    assert_eq!(connect_from(&mut application, "127.0.0.1"), server);
    thread::sleep(Duration::from_millis(1300));
    assert_ne!(connect_from(&mut application, "127.0.0.1"), server);
}

#[test]
fn clients_of_one_network_are_one_client() {
    let (testbed, _servers) = serving("-p 60 -M 255.255.255.0");
    let mut application = testbed.application();
    let mut connect = |client| connect_from(&mut application, client);
    let clients = [
        "127.1.1.1",
        "127.1.1.2",
        "127.1.2.1",
        "127.1.1.3",
        "127.1.2.9",
    ];
    assert_eq!(clients.map(&mut connect), ["B", "B", "A", "B", "A"]);
}

#[test]
fn clients_of_one_ipv6_network_are_one_client() {
    let (testbed, _servers) = serving("");
    testbed.client().restore(
        "-A -t [fd00:9::1]:80 -s rr -p 60 -M 64
         -a -t [fd00:9::1]:80 -r [::1]:81 -m
         -a -t [fd00:9::1]:80 -r [::1]:82 -m
",
    );
    let clients = ["fd00:1::1", "fd00:1::2", "fd00:2::1"];
    for client in clients {
        testbed.namespace.add_address(&format!("{client}/128"));
    }
    let mut application = testbed.application();
    let mut connect = |client| application.connect_by(from(client), "[fd00:9::1]:80");
    let reached = clients.map(&mut connect);
    assert_eq!(reached, ["B6", "B6", "A6"].map(|name| Ok(name.to_owned())));
}

#[test]
fn clients_that_are_not_bound_are_one_client_in_each_namespace() {
    let (testbed, _servers) = serving("-p 60");
    let reached = testbed.application().connect_many("10.9.0.1:80", 3);
    assert_eq!(reached, ["B"; 3]);
    let reached = testbed.application().connect_many("10.9.0.1:80", 3);
    assert_eq!(reached, ["B"; 3], "another application");
}

#[test]
fn a_removed_server_is_no_clients_server_any_more() {
    let (testbed, _servers) = serving("-p 60");
    let mut application = testbed.application();
    let mut connect = || connect_from(&mut application, "127.0.0.1");
    assert_eq!([connect(), connect()], ["B"; 2]);
    testbed.ipvsadm("-e -t 10.9.0.1:80 -r 127.0.0.12:80 -m -w 0");
    assert_eq!([connect(), connect()], ["B"; 2], "weight 0 lets clients be");
    testbed.ipvsadm("-d -t 10.9.0.1:80 -r 127.0.0.12:80");
    assert_eq!([connect(), connect()], ["A"; 2]);
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.12:80 -m");
    assert_eq!([connect(), connect()], ["A"; 2], "the other one is back");
}

#[test]
fn a_service_for_all_ports_keeps_the_port_and_the_clients_server() {
    let testbed = Testbed::new();
    let _servers = [
        testbed.server("A80", "127.0.0.11:80"),
        testbed.server("A81", "127.0.0.11:81"),
        testbed.server("B80", "127.0.0.12:80"),
        testbed.server("B81", "127.0.0.12:81"),
        testbed.server("its own", "127.0.0.13:80"),
    ];
    testbed.client().restore(
        "-A -t 10.9.0.1:0 -s rr -p 60
         -a -t 10.9.0.1:0 -r 127.0.0.11:0 -m
         -a -t 10.9.0.1:0 -r 127.0.0.12:0 -m
         -A -t 10.9.0.1:82 -s rr
         -a -t 10.9.0.1:82 -r 127.0.0.13:80 -m
",
    );
    let mut application = testbed.application();
    let mut connect = |client, port| {
        let reached = application.connect_by(from(client), &format!("10.9.0.1:{port}"));
        reached.unwrap_or_else(|errno| panic!("{client} to port {port}: {errno}"))
    };
    let reached = [80, 81, 80].map(|port| connect("127.0.0.1", port));
    assert_eq!(reached, ["B80", "B81", "B80"]);
    let reached = [81, 80, 82].map(|port| connect("127.0.0.2", port));
    assert_eq!(reached, ["A81", "A80", "its own"]);
    testbed.ipvsadm("-D -t 10.9.0.1:0");
    let mut application = testbed.application();
    let reached = application.connect("10.9.0.1:80");
    assert_eq!(reached, Err(Errno::ENETUNREACH), "no service");
}

#[test]
fn a_mark_leads_to_its_service_before_the_address_does() {
    let testbed = Testbed::new();
    let _servers = [
        testbed.server("marked", "127.0.0.11:80"),
        testbed.server("addressed", "127.0.0.12:80"),
        testbed.server("marked too", "127.0.0.11:443"),
    ];
    testbed.client().restore(
        "-A -f 7 -s rr
         -a -f 7 -r 127.0.0.11:0 -g
         -A -t 10.9.0.1:80 -s rr
         -a -t 10.9.0.1:80 -r 127.0.0.12:80 -m
",
    );
    let mut application = testbed.application();
    let mut connect = |socket, to| application.connect_by(socket, to);
    let name = |name: &str| Ok(name.to_owned());
    assert_eq!(connect(Socket::Plain, "10.9.0.1:80"), name("addressed"));
    let mark = Socket::Marked(7);
    assert_eq!(connect(mark, "10.9.0.1:80"), name("marked"));
    assert_eq!(connect(mark, "10.77.0.1:443"), name("marked too"));
    let other = Socket::Marked(8);
    assert_eq!(connect(other, "10.9.0.1:80"), name("addressed"));
    assert_eq!(connect(other, "10.77.0.1:443"), Err(Errno::ENETUNREACH));
}

#[test]
fn a_persistent_mark_keeps_a_clients_server_for_all_addresses() {
    let testbed = Testbed::new();
    let _servers = [
        testbed.server("A", "127.0.0.11:80"),
        testbed.server("B", "127.0.0.12:80"),
    ];
    testbed.client().restore(
        "-A -f 7 -s rr -p 60
         -a -f 7 -r 127.0.0.11:0 -g
         -a -f 7 -r 127.0.0.12:0 -g
",
    );
    let mut application = testbed.application();
    let mut connect = |to| application.connect_by(Socket::Marked(7), to);
    let reached = ["10.9.0.1:80", "10.9.0.2:80", "10.9.0.3:80"].map(&mut connect);
    assert_eq!(reached, ["B", "B", "B"].map(|name| Ok(name.to_owned())));
}

#[test]
fn a_clients_server_survives_a_restart_of_the_daemon() {
    let (mut testbed, _servers) = serving("-p 60");
    let mut application = testbed.application();
    let clients = ["127.0.0.1", "127.0.0.2"];
    let before = clients.map(|client| connect_from(&mut application, client));
    testbed.daemon.kill();
    testbed.daemon.start_again();
    let after = clients.map(|client| connect_from(&mut application, client));
    assert_eq!(after, before);
}

#[test]
fn a_quiescent_server_is_no_clients_server_any_more_where_that_is_the_setting() {
    let (mut testbed, _servers) = serving("-p 60");
    let mut application = testbed.application();
    let mut connect = || connect_from(&mut application, "127.0.0.1");
    assert_eq!([connect(), connect()], ["B"; 2]);
    let setting = |testbed: &Testbed, words: &str| {
        let mut command = testbed.place().command(binaries::ours("sockvs"));
        command.arg("--socket").arg(testbed.daemon.socket());
        command.arg("setting").arg(words);
        program::run(command).expect_success()
    };
    setting(&testbed, "expire_quiescent_template=1");
    testbed.ipvsadm("-e -t 10.9.0.1:80 -r 127.0.0.12:80 -m -w 0");
    testbed.ipvsadm("--set 7 8 9");
    assert_eq!([connect(), connect()], ["A"; 2]);

    testbed.daemon.kill();
    testbed.daemon.start_again();
    let kept = setting(&testbed, "expire_quiescent_template");
    assert!(
        kept.contains('1'),
        "the setting outlives the daemon: {kept}"
    );
    let timeouts = testbed.ipvsadm("-L --timeout");
    assert!(
        timeouts.ends_with(": 7 8 9\n"),
        "and so do timeouts: {timeouts}"
    );
}
