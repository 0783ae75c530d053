//! Kinds of sockets, and what applications do with them: however a socket gets connected, it gets to
//! a server, knows the virtual address, and is counted until it is connected no more.

use std::{fs, time::Duration};

use compat_tests::{
    Application, Cgroup, DatagramServer, Namespace, Place, Server, Talk, Testbed,
    application::Socket, eventually::eventually, listing,
};
use nix::errno::Errno;

/// A service of each family, without servers that listen, and one with two of them; TCP and UDP.
struct World {
    application: Application,
    _servers: Vec<Server>,
    _datagram_servers: Vec<DatagramServer>,
    testbed: Testbed,
}

/// One family's addresses.
struct Family {
    /// Has the servers A and B.
    service: &'static str,
    /// Has the server C.
    other: &'static str,
    /// Where A is.
    server: &'static str,
    /// Where nobody listens; the service `closed` has it.
    empty: &'static str,
    closed: &'static str,
    /// Where applications are.
    own: &'static str,
}

const V4: Family = Family {
    service: "10.9.0.1:80",
    other: "10.9.0.2:80",
    server: "127.0.0.11:8080",
    empty: "127.0.0.14:8080",
    closed: "10.9.0.3:80",
    own: "127.0.0.77:7777",
};
const V6: Family = Family {
    service: "[fd00:9::1]:80",
    other: "[fd00:9::2]:80",
    server: "[fd00:1::11]:8080",
    empty: "[fd00:1::14]:8080",
    closed: "[fd00:9::3]:80",
    own: "[fd00:1::77]:7777",
};
const FAMILIES: [Family; 2] = [V4, V6];

impl World {
    fn new(options: &[&str]) -> Self {
        let namespace = Namespace::new();
        for host in [11, 12, 13, 14, 77] {
            namespace.add_address(&format!("fd00:1::{host}/128"));
        }
        let testbed = Testbed::in_namespace(namespace, options);
        let mut rules = String::new();
        let (mut servers, mut datagram_servers) = (Vec::new(), Vec::new());
        let hosts: [fn(u32) -> String; 2] = [
            |host| format!("127.0.0.{host}:8080"),
            |host| format!("[fd00:1::{host}]:8080"),
        ];
        for (family, at) in FAMILIES.iter().zip(hosts) {
            for (service, hosts) in [
                (family.service, &[11, 12][..]),
                (family.other, &[13]),
                (family.closed, &[14]),
            ] {
                for protocol in ["-t", "-u"] {
                    rules += &format!("-A {protocol} {service} -s rr\n");
                    for host in hosts {
                        rules += &format!("-a {protocol} {service} -r {} -m\n", at(*host));
                    }
                }
            }
            for (name, host) in [("B", 11), ("A", 12), ("C", 13)] {
                servers.push(testbed.server(name, &at(host)));
                datagram_servers.push(testbed.datagram_server(name, &at(host)));
            }
        }
        testbed.client().restore(&rules);
        Self {
            application: testbed.application(),
            _servers: servers,
            _datagram_servers: datagram_servers,
            testbed,
        }
    }

    /// Active and other connections of a service, of all its servers together.
    #[track_caller]
    fn counted(&self, protocol: &str, service: &str) -> (u64, u64) {
        let service = service.parse().expect("an address");
        let listed = listing::read(&self.testbed.ipvsadm("-Ln"));
        listed
            .iter()
            .filter(|line| line.protocol == protocol && line.service == service)
            .filter(|line| line.server.is_some())
            .fold((0, 0), |(active, inactive), line| {
                (active + line.numbers[1], inactive + line.numbers[2])
            })
    }

    /// The socket is connected to the first server of the service, and knows it; then it is closed.
    #[track_caller]
    fn assert_is_served(&mut self, id: &str, service: &str) {
        let greeting = self.application.greeting(id);
        assert!(
            matches!(greeting.as_deref(), Ok("A" | "B")),
            "{id} to {service} reached {greeting:?}"
        );
        assert_eq!(
            self.application.try_peer(id),
            Ok(service.to_owned()),
            "{id}"
        );
        assert_eq!(self.counted("TCP", service), (1, 0), "{id} is open");
        self.application.close(id);
        assert_eq!(self.counted("TCP", service), (0, 0), "{id} is closed");
    }
}

#[test]
fn connections_made_by_io_uring_are_balanced() {
    let mut world = World::new(&[]);
    if fs::read_to_string("/proc/sys/kernel/io_uring_disabled").is_ok_and(|it| it.trim() == "2") {
        println!("not tested: io_uring is switched off on this kernel");
        return;
    }
    for Family {
        service, closed, ..
    } in FAMILIES
    {
        world.application.stream("ring", Socket::Plain, service);
        let connected = world.application.connect_by_io_uring("ring", service);
        assert_eq!(connected, Ok(()));
        world.assert_is_served("ring", service);
        world.application.stream("ring", Socket::Plain, closed);
        let connected = world.application.connect_by_io_uring("ring", closed);
        assert_eq!(connected, Err(Errno::ECONNREFUSED));
        assert_eq!(world.counted("TCP", closed), (0, 0));
    }
}

#[test]
fn connections_made_by_fast_open_are_balanced() {
    let mut world = World::new(&[]);
    // For clients and for servers, which then all take data with the SYN, with a cookie.
    world
        .testbed
        .namespace
        .enter(|| fs::write("/proc/sys/net/ipv4/tcp_fastopen", "1027"))
        .expect("the namespace's own setting");
    for Family { service, .. } in FAMILIES {
        // Cookies are for servers: each has given its own after two rounds.
        for round in 0..4 {
            let id = format!("sent{round}");
            world.application.stream(&id, Socket::Plain, service);
            let sent = world.application.connect_by_sending(&id, service);
            assert_eq!(sent, Ok(()), "MSG_FASTOPEN, {round}");
            world.assert_is_served(&id, service);

            let id = format!("deferred{round}");
            world.application.stream(&id, Socket::FastOpen, service);
            let connected = world.application.connect_socket(&id, service);
            assert_eq!(connected, Ok(()), "TCP_FASTOPEN_CONNECT, {round}");
            assert_eq!(world.application.hello(&id), Ok(()));
            world.assert_is_served(&id, service);
        }
    }
}

#[test]
fn a_fast_open_that_never_sends_is_never_counted() {
    let mut world = World::new(&[]);
    world
        .testbed
        .namespace
        .enter(|| fs::write("/proc/sys/net/ipv4/tcp_fastopen", "1031"))
        .expect("the namespace's own setting");
    for Family { service, .. } in FAMILIES {
        // With this setting no cookie is needed, so `connect` itself sends nothing.
        world.application.stream("it", Socket::FastOpen, service);
        let connected = world.application.connect_socket("it", service);
        assert_eq!(connected, Ok(()));
        assert_eq!(world.counted("TCP", service), (0, 0), "no SYN yet");
        world.application.close("it");
        assert_eq!(world.counted("TCP", service), (0, 0), "nor ever");
    }
}

#[test]
fn multipath_tcp_is_balanced_but_tells_its_server() {
    let mut world = World::new(&[]);
    for Family { service, .. } in FAMILIES {
        world.application.stream("it", Socket::Mptcp, service);
        assert_eq!(world.application.connect_socket("it", service), Ok(()));
        let greeting = world.application.greeting("it");
        assert!(greeting.is_ok(), "{service}: {greeting:?}");
        assert_ne!(world.application.peer("it"), service, "a known limit");
        assert_eq!(world.counted("TCP", service), (1, 0), "it is open");
        world.application.close("it");
        // The kernel ends the connections of such a socket in its own time.
        eventually(Duration::from_secs(5), || {
            match world.counted("TCP", service) {
                (0, 0) => Ok(()),
                counted => Err(format!("{counted:?} after it was closed")),
            }
        });
    }
}

#[test]
fn sockets_that_are_bound_are_balanced() {
    let mut world = World::new(&[]);
    for Family { service, own, .. } in FAMILIES {
        let own = own.parse().expect("an address");
        for socket in [Socket::Through("lo"), Socket::FromPort(own)] {
            world.application.stream("it", socket, service);
            let connected = world.application.connect_socket("it", service);
            assert_eq!(connected, Ok(()), "{socket:?}");
            world.assert_is_served("it", service);
        }
    }
}

#[test]
fn a_source_port_has_one_connection_to_each_server() {
    let mut world = World::new(&[]);
    for Family { service, own, .. } in FAMILIES {
        let own = Socket::FromPort(own.parse().expect("an address"));
        let application = &mut world.application;
        for id in ["one", "two", "three"] {
            application.stream(id, own, service);
        }
        let mut connect = |id| application.connect_socket(id, service);
        // To the network these are connections between the same addresses and ports, if their
        // server is the same.
        let connected = ["one", "two", "three"].map(&mut connect);
        assert_eq!(connected, [Ok(()), Ok(()), Err(Errno::EADDRNOTAVAIL)]);
        assert_eq!(world.counted("TCP", service), (2, 0));
        for id in ["one", "two", "three"] {
            world.application.close(id);
        }
        assert_eq!(world.counted("TCP", service), (0, 0));
    }
}

#[test]
fn connections_that_are_not_waited_for_are_balanced() {
    let mut world = World::new(&[]);
    for Family {
        service, closed, ..
    } in FAMILIES
    {
        let application = &mut world.application;
        application.stream("it", Socket::Nonblocking, service);
        let connected = application.connect_socket("it", service);
        assert_eq!(connected, Err(Errno::EINPROGRESS));
        assert_eq!(application.finish("it"), Ok(()));
        world.assert_is_served("it", service);

        let application = &mut world.application;
        application.stream("it", Socket::Nonblocking, closed);
        let connected = application.connect_socket("it", closed);
        assert_eq!(connected, Err(Errno::EINPROGRESS));
        assert_eq!(application.finish("it"), Err(Errno::ECONNREFUSED));
        assert_eq!(world.counted("TCP", closed), (0, 0));
    }
}

#[test]
fn a_socket_whose_connection_was_refused_connects_again() {
    let mut world = World::new(&[]);
    for family in FAMILIES {
        let application = &mut world.application;
        application.stream("it", Socket::Plain, family.closed);
        for _ in 0..2 {
            let connected = application.connect_socket("it", family.closed);
            assert_eq!(connected, Err(Errno::ECONNREFUSED), "nobody listens");
        }
        let _late = world.testbed.server("late", family.empty);
        assert_eq!(application.connect_socket("it", family.closed), Ok(()));
        assert_eq!(application.greeting("it"), Ok("late".to_owned()));
        assert_eq!(application.peer("it"), family.closed);
        assert_eq!(world.counted("TCP", family.closed), (1, 0));
        world.application.close("it");
        assert_eq!(world.counted("TCP", family.closed), (0, 0));
    }
}

#[test]
fn a_stream_that_is_unconnected_goes_elsewhere() {
    let mut world = World::new(&[]);
    for Family {
        service,
        other,
        server,
        ..
    } in FAMILIES
    {
        world.application.stream("it", Socket::Plain, service);
        for (to, peer) in [(service, service), (other, other), (server, server)] {
            assert_eq!(world.application.connect_socket("it", to), Ok(()), "{to}");
            assert_eq!(world.application.try_peer("it"), Ok(peer.to_owned()));
            let counted = [service, other].map(|service| world.counted("TCP", service).0);
            assert_eq!(counted, [service, other].map(|it| u64::from(it == to)));
            world.application.unconnect("it");
            assert_eq!(world.application.try_peer("it"), Err(Errno::ENOTCONN));
            let counted = [service, other].map(|service| world.counted("TCP", service));
            assert_eq!(counted, [(0, 0); 2], "after {to}");
        }
        world.application.close("it");
    }
}

#[test]
fn a_datagram_socket_that_is_connected_again_is_counted_where_it_is() {
    let mut world = World::new(&[]);
    for Family {
        service,
        other,
        server,
        ..
    } in FAMILIES
    {
        world.application.udp("it", Socket::Plain, service);
        for to in [service, other, service, server, other] {
            let application = &mut world.application;
            assert_eq!(application.connect_socket("it", to), Ok(()), "{to}");
            assert_eq!(application.peer("it"), to);
            let answer = application.ask_peer("it").expect("an answer");
            assert!(answer.ends_with(&format!(" {to}")), "{answer} at {to}");
            let counted = [service, other].map(|service| world.counted("UDP", service).1);
            assert_eq!(counted, [service, other].map(|it| u64::from(it == to)));
        }
        world.application.close("it");
        assert_eq!(world.counted("UDP", other), (0, 0));
    }
}

#[test]
fn a_datagram_socket_that_is_unconnected_goes_elsewhere() {
    let mut world = World::new(&[]);
    for Family {
        service,
        other,
        server,
        ..
    } in FAMILIES
    {
        let application = &mut world.application;
        application.udp("it", Socket::Plain, service);
        assert_eq!(application.connect_socket("it", service), Ok(()));
        application.unconnect("it");
        assert_eq!(application.try_peer("it"), Err(Errno::ENOTCONN));
        let answer = application.ask("it", other);
        if other == V4.other {
            assert_eq!(answer, Ok(format!("C {other}")));
        }
        // Linux lets an IPv6 socket hear from nobody but its last peer from then on, so there is no
        // answer, as without sockvs.
        let counted = [service, other].map(|service| world.counted("UDP", service).1);
        assert_eq!(counted, [0, 1], "only the datagram to {other}");
        assert_eq!(world.application.connect_socket("it", server), Ok(()));
        assert_eq!(world.application.peer("it"), server);
        let answer = world.application.ask_peer("it");
        assert_eq!(answer, Ok(format!("B {server}")));
        world.application.close("it");
        assert_eq!(world.counted("UDP", other), (0, 0));
    }
}

#[test]
fn a_socket_in_two_processes_is_counted_until_both_have_closed_it() {
    let mut world = World::new(&[]);
    let mut second = world.testbed.application();
    for (number, Family { service, .. }) in FAMILIES.iter().enumerate() {
        let application = &mut world.application;
        application.stream("tcp", Socket::Plain, service);
        assert_eq!(application.connect_socket("tcp", service), Ok(()));
        application.udp("udp", Socket::Plain, service);
        assert_eq!(application.connect_socket("udp", service), Ok(()));
        for id in ["tcp", "udp"] {
            let mailbox = format!("mailbox-{id}-{number}");
            let mailbox = world.testbed.folder.path().join(mailbox);
            world.application.pass(id, &mut second, id, &mailbox);
            second.duplicate(id, "copy");
            world.application.close(id);
            second.close(id);
            assert_eq!(second.peer("copy"), *service, "{id}");
            let protocol = id.to_uppercase();
            let counted = world.counted(&protocol, service);
            assert_eq!(counted.0 + counted.1, 1, "the last {id} socket is open");
            second.close("copy");
            assert_eq!(world.counted(&protocol, service), (0, 0), "{id}");
        }
    }
}

#[test]
fn a_socket_belongs_to_the_cgroup_that_it_was_made_in() {
    let mut world = World::new(&[]);
    let elsewhere = Cgroup::new();
    let place = Place::new(&world.testbed.namespace).in_cgroup(&elsewhere);
    let mut outside = Application::start(&place, &world.testbed.folder);
    for (number, Family { service, .. }) in FAMILIES.iter().enumerate() {
        let mailbox = |name| world.testbed.folder.path().join(format!("{name}{number}"));
        let inside = &mut world.application;
        inside.stream("ours", Socket::Plain, service);
        inside.pass("ours", &mut outside, "theirs", &mailbox("out"));
        inside.close("ours");
        assert_eq!(outside.connect_socket("theirs", service), Ok(()));
        assert_eq!(outside.peer("theirs"), *service);
        outside.close("theirs");

        outside.stream("theirs", Socket::Plain, service);
        outside.pass("theirs", inside, "ours", &mailbox("in"));
        outside.close("theirs");
        let connected = inside.connect_socket("ours", service);
        assert_eq!(connected, Err(Errno::ENETUNREACH), "not balanced");
        inside.close("ours");
    }
}

#[test]
fn cgroups_below_the_one_that_is_balanced_are_balanced() {
    let world = World::new(&[]);
    let child = world.testbed.cgroup.child();
    let grandchild = child.child();
    for cgroup in [&grandchild, &child] {
        let place = Place::new(&world.testbed.namespace).in_cgroup(cgroup);
        let mut application = Application::start(&place, &world.testbed.folder);
        for Family { service, .. } in FAMILIES {
            let reached = application.connect(service);
            assert!(reached.is_ok(), "{service}: {reached:?}");
            application.udp("it", Socket::Plain, service);
            assert!(application.ask("it", service).is_ok(), "{service}");
        }
    }
    drop(grandchild);
    drop(child);
}

#[test]
fn node_wide_services_hold_for_all_kinds_of_sockets_of_other_namespaces() {
    let world = World::new(&["--node-wide"]);
    let blue = Namespace::new();
    blue.add_address("fd00:1::11/128");
    blue.add_address("fd00:1::12/128");
    let mut application = world.testbed.application_in(&blue);
    for (family, port) in FAMILIES.iter().zip(["127.0.0.", "[fd00:1::"]) {
        let close = if port.starts_with('[') { "]" } else { "" };
        let at = |host| {
            format!("{port}{host}{close}:8080")
                .parse()
                .expect("an address")
        };
        let _streams = [11, 12].map(|host| Server::start(&blue, "blue", at(host), Talk::Greeting));
        let _datagrams = [11, 12].map(|host| DatagramServer::start(&blue, "blue", at(host)));
        let service = family.service;
        assert_eq!(application.connect(service), Ok("blue".to_owned()));
        application.udp("it", Socket::Plain, service);
        let answer = Ok(format!("blue {service}"));
        assert_eq!(application.ask("it", service), answer);
        assert_eq!(application.connect_socket("it", service), Ok(()));
        assert_eq!(application.ask_peer("it"), answer);
        application.close("it");
        assert_eq!(world.counted("UDP", service), (0, 0));
    }
}
