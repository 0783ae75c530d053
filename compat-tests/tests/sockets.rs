//! Kinds of sockets, and what applications do with them: however a socket gets connected, it gets
//! to a server, knows the virtual address, and is counted until it is connected no more.

use std::{fs, time::Duration};

use compat_tests::{
    application::Socket,
    dual_stack::{DualStack, FAMILIES, Family, V4},
    eventually::eventually,
};
use nix::errno::Errno;

#[test]
fn connections_made_by_io_uring_are_balanced() {
    let mut world = DualStack::new(&[]);
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
    let mut world = DualStack::new(&[]);
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
            world.connected(&id, Socket::FastOpen, service);
            assert_eq!(world.application.hello(&id), Ok(()));
            world.assert_is_served(&id, service);
        }
    }
}

#[test]
fn a_fast_open_that_never_sends_is_never_counted() {
    let mut world = DualStack::new(&[]);
    world
        .testbed
        .namespace
        .enter(|| fs::write("/proc/sys/net/ipv4/tcp_fastopen", "1031"))
        .expect("the namespace's own setting");
    for Family { service, .. } in FAMILIES {
        // With this setting no cookie is needed, so `connect` itself sends nothing.
        world.connected("it", Socket::FastOpen, service);
        assert_eq!(world.counted("TCP", service), (0, 0), "no SYN yet");
        world.application.close("it");
        assert_eq!(world.counted("TCP", service), (0, 0), "nor ever");
    }
}

#[test]
fn multipath_tcp_is_balanced_but_tells_its_server() {
    let mut world = DualStack::new(&[]);
    for Family { service, .. } in FAMILIES {
        world.connected("it", Socket::Mptcp, service);
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
    let mut world = DualStack::new(&[]);
    for Family { service, own, .. } in FAMILIES {
        let own = own.parse().expect("an address");
        for socket in [Socket::Through("lo"), Socket::FromPort(own)] {
            world.connected("it", socket, service);
            world.assert_is_served("it", service);
        }
    }
}

#[test]
fn a_source_port_has_one_connection_to_each_server() {
    let mut world = DualStack::new(&[]);
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
fn nonblocking_connections_are_balanced() {
    let mut world = DualStack::new(&[]);
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
    let mut world = DualStack::new(&[]);
    for family in FAMILIES {
        let application = &mut world.application;
        application.stream("it", Socket::Plain, family.closed);
        for _ in 0..2 {
            let connected = application.connect_socket("it", family.closed);
            assert_eq!(connected, Err(Errno::ECONNREFUSED), "nothing listens");
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
fn a_disconnected_stream_can_connect_elsewhere() {
    let mut world = DualStack::new(&[]);
    for Family {
        service,
        other,
        server,
        ..
    } in FAMILIES
    {
        world.application.stream("it", Socket::Plain, service);
        for to in [service, other, server] {
            assert_eq!(world.application.connect_socket("it", to), Ok(()), "{to}");
            assert_eq!(world.application.try_peer("it"), Ok(to.to_owned()));
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
    let mut world = DualStack::new(&[]);
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
fn a_disconnected_datagram_socket_can_send_elsewhere() {
    let mut world = DualStack::new(&[]);
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
        // Linux lets an IPv6 socket hear only from its last peer from then on, so there is no
        // answer, as without sockvs.
        let counted = [service, other].map(|service| world.counted("UDP", service).1);
        assert_eq!(counted, [0, 1], "only the datagram to {other}");
        assert_eq!(world.application.connect_socket("it", server), Ok(()));
        assert_eq!(world.application.peer("it"), server);
        let answer = world.application.ask_peer("it");
        assert_eq!(answer, Ok(format!("A {server}")));
        world.application.close("it");
        assert_eq!(world.counted("UDP", other), (0, 0));
    }
}
