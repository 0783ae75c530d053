//! A large table goes through `ipvsadm -S`, `-C` and `-R` unchanged.

use std::fmt::Write as _;

use compat_tests::Testbed;

const SERVICES: u32 = 1000;
const SERVERS: u32 = 10;

#[test]
fn a_thousand_services_of_ten_servers_are_saved_and_restored() {
    let testbed = Testbed::new();
    let rules = rules();
    testbed.client().restore(&rules);
    let saved = testbed.client().saved();
    compare("what was fed in", &rules, "what was saved", &saved);

    testbed.ipvsadm("-C");
    assert_eq!(testbed.client().saved(), "", "the table is cleared");

    testbed.client().restore(&saved);
    let again = testbed.client().saved();
    if saved != again {
        compare("saved", &saved, "saved again", &again);
        panic!("the same rules are saved in another order");
    }
}

/// Many kinds of services and servers, in the words of `ipvsadm -S -n`.
fn rules() -> String {
    let mut rules = String::new();
    for service in 0..SERVICES {
        let (high, low) = (service / 250, service % 250);
        let (v6, udp) = (service % 3 == 2, service % 4 == 3);
        let address = if v6 {
            format!("[fd00:9::{}:{}]:{}", 1 + high, 1 + low, 80 + service)
        } else {
            format!("10.9.{high}.{}:{}", 1 + low, 80 + service)
        };
        let key = format!("{} {address}", if udp { "-u" } else { "-t" });
        let scheduler = if service % 2 == 0 { "wrr" } else { "rr" };
        let more = match service % 7 {
            5 => " -p 600",
            6 if v6 => " -p 360 -M 64",
            6 => " -p 360 -M 255.255.255.0",
            4 if udp => " -o",
            _ => "",
        };
        let _ = writeln!(rules, "-A {key} -s {scheduler}{more}");
        for server in 0..SERVERS {
            // A server that does not masquerade has the service's port.
            let (method, port) = match server % 3 {
                0 => ("-m", 8000 + server),
                1 => ("-g", 80 + service),
                _ => ("-i", 80 + service),
            };
            let tunnel = if method == "-i" {
                " --tun-type ipip"
            } else {
                ""
            };
            let address = if v6 {
                format!("[fd00:1::{}:{}]:{port}", 1 + low, 1 + server)
            } else {
                format!("10.1.{low}.{}:{port}", 1 + server)
            };
            let weight = (service + server) % 100;
            let _ = writeln!(rules, "-a {key} -r {address} {method} -w {weight}{tunnel}");
        }
    }
    rules
}

/// Compares the rules of two lists, whatever their order, and says where they differ.
#[track_caller]
fn compare(left_name: &str, left: &str, right_name: &str, right: &str) {
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let (left, right) = (sorted(left), sorted(right));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these
            .iter()
            .filter(|line| those.binary_search(line).is_err())
            .take(5)
            .cloned()
            .collect()
    };
    assert!(
        left == right,
        "{} rules of {left_name}, {} of {right_name}; \
         only in the one: {:#?}; only in the other: {:#?}",
        left.len(),
        right.len(),
        only(&left, &right),
        only(&right, &left),
    );
}
