//! Whose sockets are balanced: of which processes, cgroups and namespaces.

use compat_tests::{
    Application, Cgroup, DatagramServer, Namespace, Place, Server, Talk,
    application::Socket,
    dual_stack::{DualStack, FAMILIES, Family},
};
use nix::errno::Errno;

#[test]
fn a_socket_in_two_processes_is_counted_until_both_have_closed_it() {
    let mut world = DualStack::new(&[]);
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
    let mut world = DualStack::new(&[]);
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
    let world = DualStack::new(&[]);
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
    let world = DualStack::new(&["--node-wide"]);
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
