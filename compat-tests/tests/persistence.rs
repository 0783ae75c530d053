//! Persistence, services for all ports, and services for firewall marks, in both families.

use std::{net::IpAddr, thread, time::Duration};

use compat_tests::{Application, Server, Testbed, application::Socket, binaries, program};
use nix::errno::Errno;

/// A family's addresses: the service's hosts, the servers' and the clients', each ending in a
/// number.
#[derive(Clone, Copy, Debug)]
struct Family {
    service: fn(u8, u16) -> String,
    server: fn(u8, u16) -> String,
    client: fn(network: u8, host: u8) -> String,
    /// What the clients of one network have in common, as an option of `ipvsadm`.
    mask: &'static str,
    /// What tells a mark's service to be of the family.
    mark: &'static str,
}

const FAMILIES: [Family; 2] = [
    Family {
        service: |host, port| format!("10.9.0.{host}:{port}"),
        server: |host, port| format!("127.0.0.{host}:{port}"),
        client: |network, host| format!("127.1.{network}.{host}"),
        mask: "255.255.255.0",
        mark: "-f 7",
    },
    Family {
        service: |host, port| format!("[fd00:9::{host}]:{port}"),
        server: |host, port| format!("[fd00:1::{host}]:{port}"),
        client: |network, host| format!("fd00:2:0:{network}::{host}"),
        mask: "64",
        mark: "-f 7 -6",
    },
];

impl Family {
    /// A service that balances between the servers A and B, as these options add it.
    fn rules(self, service: &str, options: &str, port: u16) -> String {
        let servers = [11, 12].map(|host| (self.server)(host, port));
        let [a, b] = servers;
        format!(
            "-A {service} -s rr {options}
             -a {service} -r {a} -m
             -a {service} -r {b} -m
"
        )
    }

    /// A client of the family's service.
    fn from(self, network: u8, host: u8) -> Socket {
        let address: IpAddr = (self.client)(network, host).parse().expect("an address");
        Socket::From(address)
    }
}

/// A testbed with the servers A and B of both families at each of these ports, and clients.
fn with_servers(ports: &[(&str, u16)]) -> (Testbed, Vec<Server>) {
    let testbed = Testbed::new();
    for host in [11, 12, 13] {
        testbed
            .namespace
            .add_address(&format!("fd00:1::{host}/128"));
    }
    for network in [1, 2] {
        for host in 1..10 {
            let client = format!("fd00:2:0:{network}::{host}/128");
            testbed.namespace.add_address(&client);
        }
    }
    let mut servers = Vec::new();
    for Family { server, .. } in FAMILIES {
        for (suffix, port) in ports {
            for (name, host) in [("A", 11), ("B", 12)] {
                servers.push(testbed.server(&format!("{name}{suffix}"), &server(host, *port)));
            }
        }
    }
    (testbed, servers)
}

/// Servers A and B of a persistent service in each family, as these options add it. In them, `MASK`
/// stands for the clients' networks.
fn serving(options: &str) -> (Testbed, Vec<Server>) {
    let (testbed, servers) = with_servers(&[("", 80)]);
    for family in FAMILIES {
        let service = format!("-t {}", (family.service)(1, 80));
        let options = options.replace("MASK", family.mask);
        testbed
            .client()
            .restore(&family.rules(&service, &options, 80));
    }
    (testbed, servers)
}

/// Which server a client reaches.
#[track_caller]
fn reach(application: &mut Application, family: Family, (network, host): (u8, u8)) -> String {
    let reached = application.connect_by(family.from(network, host), &(family.service)(1, 80));
    reached.unwrap_or_else(|errno| panic!("from {}: {errno}", (family.client)(network, host)))
}

#[test]
fn a_client_stays_with_its_server_until_its_time_is_over() {
    let (testbed, _servers) = serving("-p 2");
    let mut application = testbed.application();
    let mut reach = |clients: [u8; 2]| {
        FAMILIES.map(|family| clients.map(|host| reach(&mut application, family, (1, host))))
    };
    for _ in 0..4 {
        assert_eq!(reach([1, 2]), [["B", "A"]; 2]);
    }
    thread::sleep(Duration::from_millis(2300));
    assert_eq!(reach([2, 1]), [["B", "A"]; 2]);
}

#[test]
fn a_client_is_remembered_as_long_as_its_connection_lives() {
    let (testbed, _servers) = serving("-p 1");
    let mut application = testbed.application();
    for family in FAMILIES {
        let server = application
            .open_by(family.from(1, 1), "long", &(family.service)(1, 80))
            .expect("a server");
        thread::sleep(Duration::from_millis(1600));
        for _ in 0..2 {
            assert_eq!(reach(&mut application, family, (1, 1)), server);
        }
        application.close("long");
        assert_eq!(reach(&mut application, family, (1, 1)), server);
        thread::sleep(Duration::from_millis(1300));
        assert_ne!(reach(&mut application, family, (1, 1)), server);
    }
}

#[test]
fn clients_of_one_network_are_one_client() {
    let (testbed, _servers) = serving("-p 60 -M MASK");
    let mut application = testbed.application();
    for family in FAMILIES {
        let reached = [(1, 1), (1, 2), (2, 1), (1, 3), (2, 9)]
            .map(|client| reach(&mut application, family, client));
        assert_eq!(reached, ["B", "B", "A", "B", "A"], "{family:?}");
    }
}

#[test]
fn clients_that_are_not_bound_are_one_client_in_each_namespace() {
    let (testbed, _servers) = serving("-p 60");
    for who in ["one application", "another"] {
        let mut application = testbed.application();
        for Family { service, .. } in FAMILIES {
            let reached = application.connect_many(&service(1, 80), 3);
            assert_eq!(reached, ["B"; 3], "{who}");
        }
    }
}

#[test]
fn persistence_ends_when_the_server_is_removed() {
    let (testbed, _servers) = serving("-p 60");
    let mut application = testbed.application();
    for family in FAMILIES {
        let mut twice = || [(); 2].map(|()| reach(&mut application, family, (1, 1)));
        let server = format!(
            "-t {} -r {}",
            (family.service)(1, 80),
            (family.server)(12, 80)
        );
        assert_eq!(twice(), ["B"; 2]);
        testbed.ipvsadm(&format!("-e {server} -m -w 0"));
        assert_eq!(twice(), ["B"; 2], "weight 0 lets clients be");
        testbed.ipvsadm(&format!("-d {server}"));
        assert_eq!(twice(), ["A"; 2]);
        testbed.ipvsadm(&format!("-a {server} -m"));
        assert_eq!(twice(), ["A"; 2], "the other one is back");
    }
}

#[test]
fn a_service_for_all_ports_keeps_the_port_and_the_clients_server() {
    let (testbed, _servers) = with_servers(&[("80", 80), ("81", 81)]);
    let mut application = testbed.application();
    for family in FAMILIES {
        let _own = testbed.server("its own", &(family.server)(13, 80));
        let all_ports = format!("-t {}", (family.service)(1, 0));
        let (one_port, its_server) = ((family.service)(1, 82), (family.server)(13, 80));
        testbed
            .client()
            .restore(&family.rules(&all_ports, "-p 60", 0));
        testbed.client().restore(&format!(
            "-A -t {one_port} -s rr
             -a -t {one_port} -r {its_server} -m
"
        ));
        let mut connect = |client, port| {
            let reached =
                application.connect_by(family.from(1, client), &(family.service)(1, port));
            reached.unwrap_or_else(|errno| panic!("{client} to port {port}: {errno}"))
        };
        let reached = [80, 81, 80].map(|port| connect(1, port));
        assert_eq!(reached, ["B80", "B81", "B80"]);
        let reached = [81, 80, 82].map(|port| connect(2, port));
        assert_eq!(reached, ["A81", "A80", "its own"]);
        testbed.ipvsadm(&format!("-D {all_ports}"));
        let reached = application.connect(&(family.service)(1, 80));
        assert_eq!(reached, Err(Errno::ENETUNREACH), "no service");
    }
}

#[test]
fn a_firewall_mark_takes_precedence_over_the_address() {
    let (testbed, _servers) = with_servers(&[("80", 80), ("443", 443)]);
    let mut application = testbed.application();
    for Family {
        service,
        server,
        mark,
        ..
    } in FAMILIES
    {
        let (address, marked, addressed) = (service(1, 80), server(11, 0), server(12, 80));
        testbed.client().restore(&format!(
            "-A {mark} -s rr
             -a {mark} -r {marked} -g
             -A -t {address} -s rr
             -a -t {address} -r {addressed} -m
"
        ));
        let mut connect = |socket, to: &str| application.connect_by(socket, to);
        let name = |name: &str| Ok(name.to_owned());
        assert_eq!(connect(Socket::Plain, &address), name("B80"));
        assert_eq!(connect(Socket::Marked(7), &address), name("A80"));
        assert_eq!(connect(Socket::Marked(7), &service(77, 443)), name("A443"));
        assert_eq!(connect(Socket::Marked(8), &address), name("B80"));
        let nowhere = connect(Socket::Marked(8), &service(77, 443));
        assert_eq!(nowhere, Err(Errno::ENETUNREACH));
    }
}

#[test]
fn a_persistent_mark_keeps_a_clients_server_for_all_addresses() {
    let (testbed, _servers) = with_servers(&[("", 80)]);
    let mut application = testbed.application();
    for family in FAMILIES {
        testbed
            .client()
            .restore(&family.rules(family.mark, "-p 60", 0));
        let mut connect =
            |host| application.connect_by(Socket::Marked(7), &(family.service)(host, 80));
        let reached = [1, 2, 3].map(&mut connect);
        assert_eq!(reached, ["B", "B", "B"].map(|name| Ok(name.to_owned())));
    }
}

#[test]
fn persistence_survives_a_restart_of_the_daemon() {
    let (mut testbed, _servers) = serving("-p 60");
    let mut application = testbed.application();
    let mut reached =
        || FAMILIES.map(|family| [1, 2].map(|host| reach(&mut application, family, (1, host))));
    let before = reached();
    testbed.daemon.kill();
    testbed.daemon.start_again();
    assert_eq!(reached(), before);
}

#[test]
fn persistence_to_a_quiescent_server_ends_where_the_sysctl_says_so() {
    let (mut testbed, _servers) = serving("-p 60");
    let mut application = testbed.application();
    let mut twice =
        || FAMILIES.map(|family| [(); 2].map(|()| reach(&mut application, family, (1, 1))));
    assert_eq!(twice(), [["B"; 2]; 2]);
    let setting = |testbed: &Testbed, words: &str| {
        let mut command = testbed.place().command(binaries::ours("sockvs"));
        command.arg("--socket").arg(testbed.daemon.socket());
        command.arg("setting").arg(words);
        program::run(command).expect_success()
    };
    setting(&testbed, "expire_quiescent_template=1");
    for Family {
        service, server, ..
    } in FAMILIES
    {
        let (service, server) = (service(1, 80), server(12, 80));
        testbed.ipvsadm(&format!("-e -t {service} -r {server} -m -w 0"));
    }
    testbed.ipvsadm("--set 7 8 9");
    assert_eq!(twice(), [["A"; 2]; 2]);

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
