//! A service belongs to the network namespace of the client that added it.

use std::{thread, time::Duration};

use compat_tests::{Namespace, Server, Talk, Testbed, eventually::eventually};
use nix::errno::Errno;

const SERVICE: &str = "10.9.0.1:80";

#[test]
fn the_same_address_leads_to_each_namespaces_own_server() {
    let testbed = Testbed::serving_all_namespaces();
    let (blue, plain) = (Namespace::new(), Namespace::new());
    let address = "127.0.0.11:80".parse().expect("an address and a port");
    let _servers = [
        testbed.server("own", "127.0.0.11:80"),
        Server::start(&blue, "blue", address, Talk::Greeting),
        Server::start(&plain, "plain", address, Talk::Greeting),
    ];
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m");
    let blue_client = testbed.client_in(&blue);
    assert_eq!(
        blue_client.saved(),
        "",
        "the other namespace's table is empty"
    );
    blue_client.ipvsadm("-A -t 10.9.0.1:80 -s wrr");
    blue_client.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m -w 7");

    assert_eq!(testbed.application().connect(SERVICE), Ok("own".to_owned()));
    assert_eq!(
        testbed.application_in(&blue).connect(SERVICE),
        Ok("blue".to_owned())
    );
    let mut untouched = testbed.application_in(&plain);
    assert_eq!(
        untouched.connect(SERVICE),
        Err(Errno::ENETUNREACH),
        "it has no such service"
    );
    assert_eq!(untouched.connect("127.0.0.11:80"), Ok("plain".to_owned()));

    blue_client.ipvsadm("-C");
    assert_eq!(
        testbed.application_in(&blue).connect(SERVICE),
        Err(Errno::ENETUNREACH)
    );
    assert_eq!(
        testbed.application().connect(SERVICE),
        Ok("own".to_owned()),
        "not cleared here"
    );
    assert_eq!(
        testbed.client().saved(),
        "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m -w 1\n"
    );
}

#[test]
fn node_wide_services_hold_in_every_namespace_but_their_servers_are_its_own() {
    let testbed = Testbed::with_options(&["--node-wide"]);
    let blue = Namespace::new();
    let address = "127.0.0.11:80".parse().expect("an address and a port");
    let _servers = [
        testbed.server("own", "127.0.0.11:80"),
        Server::start(&blue, "blue", address, Talk::Greeting),
    ];
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m");

    assert_eq!(testbed.application().connect(SERVICE), Ok("own".to_owned()));
    assert_eq!(
        testbed.application_in(&blue).connect(SERVICE),
        Ok("blue".to_owned()),
        "the service is found; the server's address is looked for where the socket is"
    );
}

#[test]
fn fifty_clients_in_five_namespaces_keep_their_tables_apart() {
    const CLIENTS: usize = 10;
    let testbed = Testbed::serving_all_namespaces();
    let others: [_; 4] = std::array::from_fn(|_| Namespace::new());
    let namespaces: Vec<_> = [&testbed.namespace].into_iter().chain(&others).collect();
    // The same addresses everywhere; what tells the tables apart is the servers' port.
    let rules = |place: usize, number: usize| {
        let service = format!("10.9.0.{number}:80");
        let server = format!("10.1.0.{number}:{}", 8000 + place);
        [
            format!("-A -t {service} -s wrr"),
            format!("-a -t {service} -r {server} -m -w {}", 1 + number),
        ]
    };
    thread::scope(|scope| {
        for (place, namespace) in namespaces.iter().enumerate() {
            for number in 0..CLIENTS {
                let client = testbed.client_in(namespace);
                scope.spawn(move || {
                    for rule in rules(place, number) {
                        client.ipvsadm(&rule);
                    }
                });
            }
        }
    });
    for (place, namespace) in namespaces.iter().enumerate() {
        let mut expected: Vec<_> = (0..CLIENTS)
            .flat_map(|number| rules(place, number))
            .collect();
        let saved = testbed.client_in(namespace).saved();
        let mut saved: Vec<_> = saved.lines().map(str::to_owned).collect();
        expected.sort_unstable();
        saved.sort_unstable();
        assert_eq!(saved, expected, "the table of namespace {place}");
    }
}

#[test]
fn a_deleted_namespaces_table_is_discarded() {
    let testbed = Testbed::serving_all_namespaces();
    let count = || {
        let status = testbed.daemon.status().expect_success();
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        status["namespaces"].as_array().map_or(0, Vec::len)
    };
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    let before = count();
    let ending = Namespace::new();
    let client = testbed.client_in(&ending);
    client.ipvsadm("-A -t 10.9.0.2:80 -s rr");
    client.ipvsadm("-a -t 10.9.0.2:80 -r 10.1.0.2:80 -m");
    assert_eq!(count(), before + 1, "a table for each namespace");
    drop(client);
    drop(ending);
    eventually(Duration::from_secs(10), || match count() {
        now if now == before => Ok(()),
        now => Err(format!("{now} tables, not {before}")),
    });
}
