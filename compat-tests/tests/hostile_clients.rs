//! A user without rights is very many clients of persistent services. New clients of other services
//! are served by one server, and no client is refused.

use std::time::Duration;

use compat_tests::{
    Census, Namespace, Server, SocketLoad, Testbed,
    application::Socket,
    eventually::eventually,
    socket_load::{Counts, NOBODY, OTHER_USER},
    usage,
};

/// How long what is left may stay: the daemon looks every few seconds.
const CLEARED: Duration = Duration::from_secs(60);
/// The service of others, with the servers C and N.
const OTHER: &str = "10.9.0.4:80";

fn servers(testbed: &Testbed) -> [Server; 2] {
    [("C", 14), ("N", 11)].map(|(name, host)| testbed.server(name, &format!("127.0.0.{host}:80")))
}

fn all(what: &str, number: u64) -> Counts {
    Counts::from([(what.to_owned(), number)])
}

#[test]
fn clients_that_are_refused_take_no_room_from_those_of_other_services() {
    let testbed = Testbed::new();
    let _servers = servers(&testbed);
    testbed.client().restore(&format!(
        "-A -t 10.9.0.5:80 -s rr -p 600
         -a -t 10.9.0.5:80 -r 127.0.0.99:80 -m
         -A -t {OTHER} -s rr -p 600
         -a -t {OTHER} -r 127.0.0.14:80 -m
         -a -t {OTHER} -r 127.0.0.11:80 -m
"
    ));
    let mut load = SocketLoad::start(&testbed, NOBODY);
    let made = load.run("clients 140000 10.9.0.5:80");
    assert_eq!(made, all("ECONNREFUSED", 140_000));
    others_are_persistent(&testbed, OTHER);
    drop(load);
    eventually(CLEARED, || Census::of(testbed.daemon.pin_dir()).is_empty());
}

/// New clients get a server and keep it, and neither of the two gets all of them.
#[track_caller]
fn others_are_persistent(testbed: &Testbed, service: &str) {
    let mut application = testbed.application();
    let mut reached = Vec::new();
    for host in 1..=20 {
        let from = Socket::From([127, 9, 9, host].into());
        let mut ask = || application.connect_by(from, service);
        let first = ask();
        let again: Vec<_> = (0..3).map(|_| ask()).collect();
        assert_eq!(again, vec![first.clone(); 3], "client {host} comes again");
        reached.push(first);
    }
    for server in ["C", "N"] {
        let expected = Ok(server.to_owned());
        assert!(reached.contains(&expected), "{reached:?} without {server}");
    }
}

/// Room for fewer clients than come.
#[test]
fn where_clients_take_all_room_that_a_service_has_the_log_and_the_status_say_so() {
    const CROWDED: &str = "10.9.0.5:80";
    let testbed = Testbed::with_options(&["--max-clients", "2000"]);
    let _servers = servers(&testbed);
    testbed.client().restore(&format!(
        "-A -t {CROWDED} -s rr -p 600
         -a -t {CROWDED} -r 127.0.0.99:80 -m
         -A -t {OTHER} -s rr -p 600
         -a -t {OTHER} -r 127.0.0.14:80 -m
         -a -t {OTHER} -r 127.0.0.11:80 -m
"
    ));
    let mut load = SocketLoad::start(&testbed, OTHER_USER);
    let made = load.run(&format!("clients 5000 {CROWDED}"));
    assert_eq!(made, all("ECONNREFUSED", 5000), "no client gets ENOMEM");
    let (used, most) = usage::of(&testbed.daemon, usage::CLIENTS);
    assert!(
        (1..2000).contains(&used) && most == 2000,
        "{used} of {most} clients: the service is to leave some"
    );
    others_are_persistent(&testbed, OTHER);
}

/// A user may have services in network namespaces of its own, and connections that stay.
#[test]
fn clients_of_many_services_take_no_room_from_those_of_others() {
    let testbed = Testbed::with_options(&["--max-clients", "4000"]);
    let _servers = servers(&testbed);
    testbed.client().restore(&format!(
        "-A -t {OTHER} -s rr -p 600
         -a -t {OTHER} -r 127.0.0.14:80 -m
         -a -t {OTHER} -r 127.0.0.11:80 -m
"
    ));
    let own = Namespace::new();
    let mut server = SocketLoad::start_in(&testbed, &own, 0);
    server.run("listen 127.0.0.11:80");
    let mut load = SocketLoad::start_in(&testbed, &own, NOBODY);
    for host in 1..=14 {
        let service = format!("10.9.1.{host}:80");
        testbed.client_in(&own).restore(&format!(
            "-A -t {service} -s rr -p 600
             -a -t {service} -r 127.0.0.11:80 -m
"
        ));
        load.run(&format!(
            "guests {} {service}",
            4000_u32.checked_shr(host - 1).unwrap_or(0) + 10
        ));
    }
    others_are_persistent(&testbed, OTHER);
}
