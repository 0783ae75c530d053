//! The order in which connections reach the servers, against what the kernel's own schedulers do.
//!
//! The files in `fixtures/kernel` were recorded from the kernel's IPVS; their README says how. They
//! are replayed here with the same commands, and every connection must reach the same server.

use compat_tests::{Server, Testbed};

const SERVICE: &str = "10.0.0.1:80";

#[test]
fn rr_chooses_as_the_kernel_does() {
    replay(include_str!("../fixtures/kernel/rr-order.txt"));
}

#[test]
fn wrr_chooses_as_the_kernel_does() {
    replay(include_str!("../fixtures/kernel/wrr-order.txt"));
}

#[test]
fn wrr_with_weights_3_2_1_chooses_as_the_kernel_does_over_ipv6() {
    let testbed = Testbed::new();
    let mut servers = Vec::new();
    testbed.ipvsadm("-A -t [fd00:9::1]:80 -s wrr");
    for (letter, weight) in [("A", 3), ("B", 2), ("C", 1)] {
        let address = format!("fd00:1::{letter}");
        testbed.namespace.add_address(&format!("{address}/128"));
        servers.push(testbed.server(letter, &format!("[{address}]:80")));
        testbed.ipvsadm(&format!(
            "-a -t [fd00:9::1]:80 -r [{address}]:80 -m -w {weight}"
        ));
    }
    let reached = testbed.application().connect_many("[fd00:9::1]:80", 12);
    // The recorded order over IPv4, whose scheduler is the same.
    assert_eq!(reached.concat(), "CBAABACBAABA");
}

/// Runs the commands of all scenarios, and compares where the connections go.
fn replay(recorded: &str) {
    let testbed = Testbed::new();
    let _servers: Vec<Server> = "ABCDE"
        .chars()
        .map(|letter| testbed.server(&letter.to_string(), &address_of(&letter.to_string())))
        .collect();
    let mut application = testbed.application();
    let (mut scenarios, mut connections) = (0, 0);
    let mut history: Vec<&str> = Vec::new();
    let mut wrong = Vec::new();

    let lines = recorded
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["scenario", _] => {
                scenarios += 1;
                history.clear();
                testbed.ipvsadm("-C");
            }
            ["scheduler", name] => {
                testbed.ipvsadm(&format!("-A -t {SERVICE} -s {name}"));
            }
            ["add", server, weight] => {
                let address = address_of(server);
                testbed.ipvsadm(&format!("-a -t {SERVICE} -r {address} -m -w {weight}"));
            }
            ["edit", server, weight] => {
                let address = address_of(server);
                testbed.ipvsadm(&format!("-e -t {SERVICE} -r {address} -m -w {weight}"));
            }
            ["delete", server] => {
                testbed.ipvsadm(&format!("-d -t {SERVICE} -r {}", address_of(server)));
            }
            ["connect", ref expected @ ..] => {
                let reached = application.connect_many(SERVICE, expected.len());
                connections += expected.len();
                if reached != expected {
                    wrong.push(format!(
                        "{}\n  kernel {}\n  sockvs {}",
                        history.join("; "),
                        expected.join(" "),
                        reached.join(" ")
                    ));
                }
            }
            _ => panic!("the recording has a line that is not understood: {line:?}"),
        }
        history.push(line);
    }
    assert!(
        scenarios > 5 && connections > 100,
        "the recording is nearly empty"
    );
    assert!(
        wrong.is_empty(),
        "{} of {connections} connections in {scenarios} scenarios went another way:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn address_of(server: &str) -> String {
    let number = server.bytes().next().map_or(0, |letter| letter - b'A');
    format!("127.0.1.{}:80", 11 + number)
}
