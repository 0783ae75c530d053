//! Programs that people use reach a virtual address that exists on no interface.

use std::process::Command;

use compat_tests::{Server, Talk, Testbed, program, static_client};

const V4: &str = "10.9.0.1";
const V6: &str = "fd00:9::1";

#[test]
fn curl_reaches_a_virtual_address() {
    let (testbed, _servers) = serving(Talk::Http);
    for url in ["http://10.9.0.1:80/", "http://[fd00:9::1]:80/"] {
        let output = run(
            testbed.place().command("curl"),
            &["-sS", "--noproxy", "*", url],
        );
        assert_eq!(output, "the server", "{url}");
    }
}

#[test]
fn redis_cli_reaches_a_virtual_address() {
    let (testbed, _servers) = serving(Talk::Redis);
    for host in [V4, V6] {
        let output = run(
            testbed.place().command("redis-cli"),
            &["-h", host, "-p", "80", "ping"],
        );
        assert_eq!(output.trim_end(), "the server", "{host}");
    }
}

#[test]
fn a_statically_linked_program_reaches_a_virtual_address_and_sees_it_as_its_peer() {
    let (testbed, _servers) = serving(Talk::Greeting);
    let client = static_client::build(&testbed.folder);
    for host in [V4, V6] {
        let output = run(testbed.place().command(&client), &["connect", host, "80"]);
        assert_eq!(output.trim_end(), format!("the server {host} 80"));
    }
}

#[test]
fn a_process_outside_of_the_cgroup_is_left_alone() {
    let (testbed, _servers) = serving(Talk::Greeting);
    let client = static_client::build(&testbed.folder);
    let outside = compat_tests::Place::new(&testbed.namespace);
    let mut command = outside.command(&client);
    command.args(["connect", V4, "80"]);
    let outcome = program::run(command);
    assert_eq!(
        outcome.stdout.trim_end(),
        format!("errno {}", libc::ENETUNREACH),
        "{outcome}"
    );
}

/// One IPv4 and one IPv6 service, each with a server on another port.
fn serving(talk: Talk) -> (Testbed, [Server; 2]) {
    let testbed = Testbed::new();
    testbed.namespace.add_address("fd00:1::11/128");
    let servers = ["127.0.0.11:8080", "[fd00:1::11]:8080"].map(|address| {
        let address = address.parse().expect("an address and a port");
        Server::start(&testbed.namespace, "the server", address, talk)
    });
    testbed.client().restore(
        "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 127.0.0.11:8080 -m\n\
         -A -t [fd00:9::1]:80 -s rr\n-a -t [fd00:9::1]:80 -r [fd00:1::11]:8080 -m\n",
    );
    (testbed, servers)
}

fn run(mut command: Command, arguments: &[&str]) -> String {
    command.args(arguments);
    program::run(command).expect_success()
}
