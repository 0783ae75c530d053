//! Each verb of `ipvsadm`, through three clients that share no code with sockvs or each other.
//!
//! What one client writes, the others read: a misunderstanding between sockvs and one of them
//! shows.

use compat_tests::{IpvsClient, Testbed};

const SERVICE: &str = "-A -t 10.9.0.1:80 -s wrr";
const SERVER: &str = "-a -t 10.9.0.1:80 -r 10.1.0.11:8080 -m -w 3";
const OTHERS: [&str; 4] = [
    "-A -u 10.9.0.1:53 -s rr -o",
    "-a -u 10.9.0.1:53 -r 10.1.0.12:53 -g -w 1",
    "-A -t [fd00:9::1]:80 -s rr -p 360 -M 64",
    "-a -t [fd00:9::1]:80 -r [fd00:1::11]:8080 -m -w 1",
];

#[test]
fn add_service() {
    let services = [
        SERVICE,
        "-A -t 10.9.0.1:443 -s rr",
        "-A -u 10.9.0.1:80 -s rr",
        "-A -u 10.9.0.1:53 -s rr -o",
        "-A -t 10.9.0.2:80 -s wrr -p 300",
        "-A -t 10.9.0.3:80 -s wrr -p 300 -M 255.255.255.0",
        "-A -t [fd00:9::1]:80 -s rr",
        "-A -t [fd00:9::1]:443 -s wrr -p 360",
        "-A -u [fd00:9::1]:80 -s wrr -p 360 -M 64",
        "-A -f 7 -s rr",
        "-A -f 7 -6 -s wrr",
    ];
    in_every_pair(&[], &services, &services);
}

#[test]
fn edit_service() {
    in_every_pair(
        &[SERVICE, SERVER, OTHERS[0]],
        &[
            "-E -t 10.9.0.1:80 -s rr -p 60 -M 255.255.0.0",
            "-E -u 10.9.0.1:53 -s wrr",
        ],
        &[
            "-A -t 10.9.0.1:80 -s rr -p 60 -M 255.255.0.0",
            SERVER,
            "-A -u 10.9.0.1:53 -s wrr",
        ],
    );
}

#[test]
fn delete_service() {
    let before = [&[SERVICE, SERVER], &OTHERS[..]].concat();
    in_every_pair(&before, &["-D -t 10.9.0.1:80"], &OTHERS);
    in_every_pair(
        &before,
        &["-D -t [fd00:9::1]:80"],
        &[SERVICE, SERVER, OTHERS[0], OTHERS[1]],
    );
}

#[test]
fn clear() {
    in_every_pair(&[&[SERVICE, SERVER], &OTHERS[..]].concat(), &["-C"], &[]);
}

#[test]
fn add_server() {
    let servers = [
        SERVER,
        "-a -t 10.9.0.1:80 -r 10.1.0.11:8081 -m -w 0",
        "-a -t 10.9.0.1:80 -r 10.1.0.12:80 -g -w 65535",
        "-a -t 10.9.0.1:80 -r 10.1.0.13:80 -i -w 1 --tun-type ipip",
        "-a -t [fd00:9::1]:80 -r [fd00:1::12]:8080 -m -w 2147483647",
        "-a -t [fd00:9::1]:80 -r 10.1.0.14:80 -i -w 1 --tun-type ipip",
        "-a -f 7 -r 10.1.0.11:0 -m -w 1",
    ];
    let services = [SERVICE, "-A -t [fd00:9::1]:80 -s rr", "-A -f 7 -s rr"];
    // Only ipvsadm knows how to say what every tunnel is.
    let requests = servers.map(|server| server.strip_suffix(" --tun-type ipip").unwrap_or(server));
    in_every_pair(&services, &requests, &[&services[..], &servers].concat());
}

#[test]
fn edit_server() {
    in_every_pair(
        &[SERVICE, SERVER, "-a -t 10.9.0.1:80 -r 10.1.0.12:80 -m -w 5"],
        &[
            "-e -t 10.9.0.1:80 -r 10.1.0.11:8080 -m -w 9",
            "-e -t 10.9.0.1:80 -r 10.1.0.12:80 -g -w 0",
        ],
        &[
            SERVICE,
            "-a -t 10.9.0.1:80 -r 10.1.0.11:8080 -m -w 9",
            "-a -t 10.9.0.1:80 -r 10.1.0.12:80 -g -w 0",
        ],
    );
}

#[test]
fn delete_server() {
    let before = [
        &[SERVICE, SERVER, "-a -t 10.9.0.1:80 -r 10.1.0.12:80 -m -w 5"],
        &OTHERS[..],
    ];
    in_every_pair(
        &before.concat(),
        &[
            "-d -t 10.9.0.1:80 -r 10.1.0.12:80",
            "-d -t [fd00:9::1]:80 -r [fd00:1::11]:8080",
        ],
        &[SERVICE, SERVER, OTHERS[0], OTHERS[1], OTHERS[2]],
    );
}

#[test]
fn save_and_restore() {
    let testbed = Testbed::new();
    let mut clients = testbed.ipvs_clients();
    let mut table = [&[SERVICE, SERVER], &OTHERS[..]].concat();
    for saver in 0..clients.len() {
        for restorer in 0..clients.len() {
            clients[0].must("-C");
            clients[0].must(&format!("-R {}", table.join(" ; ")));
            let saved = clients[saver].must("-S -n");
            clients[saver].must("-C");
            assert_eq!(clients[restorer].rules(), [""; 0], "cleared");
            clients[restorer].must(&format!("-R {}", saved.join(" ; ")));
            table.sort_unstable();
            for reader in &mut clients {
                assert_eq!(
                    reader.rules(),
                    table,
                    "{saver} saved, {restorer} restored, {reader} reads"
                );
            }
            // A service before its servers, which the order of the words does not give.
            table.sort_by_key(|rule| rule.starts_with("-a"));
        }
    }
}

#[test]
fn set_timeouts() {
    let testbed = Testbed::new();
    let mut clients = testbed.ipvs_clients();
    for reader in &mut clients {
        assert_eq!(
            timeouts(reader),
            "900 120 300",
            "the kernel's defaults, read by {reader}"
        );
    }
    for writer in 0..clients.len() {
        // A 0 leaves a time-out as it is.
        let steps = [
            ("100 200 301", "100 200 301"),
            ("0 0 77", "100 200 77"),
            ("900 120 300", "900 120 300"),
        ];
        for (set, expected) in steps {
            clients[writer].must(&format!("--set {set}"));
            for reader in 0..clients.len() {
                let found = timeouts(&mut clients[reader]);
                let (writer, reader) = (&clients[writer], &clients[reader]);
                assert_eq!(
                    found, expected,
                    "set to {set} by {writer}, read by {reader}"
                );
            }
        }
    }
}

#[test]
fn list_and_zero_counters() {
    let testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:80");
    let mut application = testbed.application();
    let mut clients = testbed.ipvs_clients();
    for port in [80, 81] {
        testbed.ipvsadm(&format!("-A -t 10.9.0.1:{port} -s rr"));
        testbed.ipvsadm(&format!("-a -t 10.9.0.1:{port} -r 127.0.0.11:80 -m"));
    }
    for zeroer in 0..clients.len() {
        application.connect_many("10.9.0.1:80", 3);
        application.connect_many("10.9.0.1:81", 2);
        expect_connections(&mut clients, [3, 2], "after 3 and 2 connections");
        clients[zeroer].must("-Z -t 10.9.0.1:80");
        expect_connections(&mut clients, [0, 2], "after one service was zeroed");
        application.connect_many("10.9.0.1:80", 1);
        expect_connections(&mut clients, [1, 2], "after one more connection");
        clients[zeroer].must("-Z");
        expect_connections(&mut clients, [0, 0], "after all were zeroed");
    }
}

#[test]
fn what_the_kernel_refuses_is_refused_to_every_client() {
    let testbed = Testbed::new();
    let mut clients = testbed.ipvs_clients();
    let table = [SERVICE, SERVER];
    clients[0].must(&format!("-R {}", table.join(" ; ")));
    let refused = [
        (SERVICE, "EEXIST"),
        (SERVER, "EEXIST"),
        ("-E -t 10.9.0.1:81 -s rr", "ESRCH"),
        ("-D -t 10.9.0.1:81", "ESRCH"),
        ("-Z -t 10.9.0.1:81", "ESRCH"),
        ("-a -t 10.9.0.1:81 -r 10.1.0.11:80 -m", "ESRCH"),
        ("-e -t 10.9.0.1:80 -r 10.1.0.12:80 -m", "ENOENT"),
        ("-d -t 10.9.0.1:80 -r 10.1.0.12:80", "ENOENT"),
        ("-A -t 10.9.0.1:82 -s nosuch", "ENOENT"),
        ("-A -t [fd00:9::1]:80 -s rr -p 60 -M 129", "EINVAL"),
    ];
    for (request, errno) in refused {
        for writer in &mut clients {
            let refusal = match writer.ask(request) {
                Ok(_) => panic!("{writer} {request}: accepted"),
                Err(refusal) => refusal,
            };
            // ipvsadm has words of its own for errors.
            let says_why = refusal.starts_with(errno) || matches!(writer, IpvsClient::Ipvsadm(_));
            assert!(says_why, "{writer} {request}: {refusal}, not {errno}");
        }
        for reader in &mut clients {
            assert_eq!(reader.rules(), table, "{reader} after {request}");
        }
    }
}

/// With every client as the writer: makes the table `before` by another one, has the writer do what
/// is requested, and compares what the others read with `after`.
#[track_caller]
fn in_every_pair(before: &[&str], requests: &[&str], after: &[&str]) {
    let testbed = Testbed::new();
    let mut clients = testbed.ipvs_clients();
    let mut after: Vec<&str> = after.to_vec();
    after.sort_unstable();
    for writer in 0..clients.len() {
        let preparer = (writer + 1) % clients.len();
        clients[preparer].must("-C");
        if !before.is_empty() {
            clients[preparer].must(&format!("-R {}", before.join(" ; ")));
        }
        for request in requests {
            clients[writer].must(request);
        }
        for reader in 0..clients.len() {
            let found = clients[reader].rules();
            let (writer, reader) = (&clients[writer], &clients[reader]);
            assert_eq!(found, after, "\n{requests:?} by {writer}, read by {reader}");
        }
    }
}

fn timeouts(client: &mut IpvsClient<'_>) -> String {
    let lines = client.must("-L --timeout");
    let seconds = lines
        .first()
        .and_then(|line| line.strip_prefix("Timeout (tcp tcpfin udp): "));
    seconds
        .unwrap_or_else(|| panic!("{client} lists {lines:?}"))
        .to_owned()
}

/// Every client must see these numbers of connections at the services on port 80 and 81, and the
/// same at the one server of each.
#[track_caller]
fn expect_connections(clients: &mut [IpvsClient<'_>], numbers: [u64; 2], when: &str) {
    for client in clients {
        let lines = client.must("-L -n --stats");
        let mut found = [None; 2];
        let mut service = 0;
        for line in &lines {
            let words: Vec<&str> = line.split(' ').collect();
            let connections: u64 = words[2].parse().expect("a number of connections");
            if words[0] == "TCP" {
                service = usize::from(words[1].ends_with(":81"));
                found[service] = Some(connections);
            } else {
                assert_eq!(
                    Some(connections),
                    found[service],
                    "{client}: {when}: {lines:#?}"
                );
            }
        }
        assert_eq!(found, numbers.map(Some), "{client}: {when}: {lines:#?}");
    }
}
