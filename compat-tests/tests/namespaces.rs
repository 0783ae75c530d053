//! A service belongs to the network namespace of the client that added it.

use compat_tests::{Namespace, Server, Talk, Testbed};
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
