//! Situations in which the kernel's IPVS is known to fail or to stall: each works here.

use std::{fs, net::SocketAddr, thread, time::Duration};

use compat_tests::{
    Namespace, Server, Talk, Testbed, application::Socket, ipvs_clients::IpvsClient,
};

/// IPVS does not see what the director itself sends to a server that is not its own, and loops
/// where the virtual address is a server's, too.
#[test]
fn a_director_can_be_client_and_server_at_once() {
    let testbed = Testbed::new();
    let mut application = testbed.application();
    for (service, elsewhere, host) in [
        ("10.9.0.1:80", "127.0.0.11:80", "10.9.0.1/32"),
        ("[fd00:9::1]:80", "[::1]:80", "fd00:9::1/128"),
    ] {
        testbed.namespace.add_address(host);
        let _servers = [
            testbed.server("on the virtual address", service),
            testbed.server("elsewhere", elsewhere),
        ];
        testbed.ipvsadm(&format!("-A -t {service} -s rr"));
        testbed.ipvsadm(&format!("-a -t {service} -r {service} -m"));
        testbed.ipvsadm(&format!("-a -t {service} -r {elsewhere} -m"));
        let mut reached = application.connect_many(service, 4);
        reached.sort_unstable();
        let [a, b] = ["elsewhere", "on the virtual address"];
        assert_eq!(reached, [a, a, b, b], "{service}");
        testbed.ipvsadm(&format!("-D -t {service}"));
        let reached = application.connect_many(service, 2);
        assert_eq!(reached, [b, b], "without the service, {service}");
    }
}

/// With IPVS, packets from a loopback address do not leave the machine.
#[test]
fn a_loopback_address_is_a_service_with_servers_on_other_machines() {
    let testbed = Testbed::new();
    let remote = Namespace::new();
    let near = &testbed.namespace;
    near.ip(&[
        "link", "add", "near0", "type", "veth", "peer", "name", "far0",
    ]);
    near.ip(&["link", "set", "far0", "netns", remote.name()]);
    for (namespace, device, host) in [(near, "near0", 1), (&remote, "far0", 2)] {
        namespace.ip(&["link", "set", device, "up"]);
        let address = format!("192.0.2.{host}/24");
        namespace.ip(&["address", "add", &address, "dev", device]);
        let address = format!("2001:db8::{host}/64");
        namespace.ip(&["address", "add", &address, "dev", device, "nodad"]);
    }
    let mut application = testbed.application();
    for (service, server) in [
        ("127.0.0.1:3000", "192.0.2.2:80"),
        ("[::1]:3000", "[2001:db8::2]:80"),
    ] {
        let at: SocketAddr = server.parse().expect("an address and a port");
        let _far = Server::start(&remote, "far", at, Talk::Greeting);
        testbed.ipvsadm(&format!("-A -t {service} -s rr"));
        testbed.ipvsadm(&format!("-a -t {service} -r {server} -m"));
        assert_eq!(application.open("it", service), Ok("far".to_owned()));
        assert_eq!(application.peer("it"), service);
        application.close("it");
    }
}

/// With IPVS, datagrams of a client that keeps its port go to a server that is gone until the
/// connection's time is over (`expire_nodest_conn`).
#[test]
fn udp_datagrams_move_to_another_server_when_theirs_is_removed() {
    const DATAGRAMS: usize = 20;
    const ROUNDS: usize = 60;
    let testbed = Testbed::new();
    for (service, servers) in [
        ("10.9.0.1:514", ["127.0.0.11:514", "127.0.0.12:514"]),
        ("[fd00:9::1]:514", ["[::1]:5141", "[::1]:5142"]),
    ] {
        let _stays = testbed.datagram_server("stays", servers[0]);
        let mut goes = Some(testbed.datagram_server("goes", servers[1]));
        testbed.ipvsadm(&format!("-A -u {service} -s rr"));
        for server in servers {
            testbed.ipvsadm(&format!("-a -u {service} -r {server} -m"));
        }
        let mut application = testbed.application();
        application.udp("log", Socket::Plain, service);
        let (goes_on, stays) = (format!("goes {service}"), format!("stays {service}"));
        assert_eq!(application.ask("log", service), Ok(goes_on.clone()));
        // While datagrams are on their way, not between them.
        let rounds = thread::scope(|scope| {
            let removing = scope.spawn(|| {
                thread::sleep(Duration::from_millis(20));
                testbed.ipvsadm(&format!("-d -u {service} -r {}", servers[1]));
            });
            let mut rounds = Vec::new();
            for round in 0..ROUNDS {
                if round == ROUNDS / 2 {
                    while !removing.is_finished() {
                        thread::yield_now();
                    }
                    // From now on there is no server any more.
                    goes = None;
                }
                let told = application.ask_many("log", service, DATAGRAMS);
                rounds.push(told.unwrap_or_else(|errno| panic!("round {round}: {errno}")));
            }
            rounds
        });
        assert!(goes.is_none());
        let arrived = rounds.iter().map(Vec::len).sum::<usize>();
        assert_eq!(arrived, ROUNDS * DATAGRAMS, "each has arrived");
        let moved = rounds.iter().position(|round| round.contains(&stays));
        let moved = moved.expect("the other server gets something");
        assert!(moved <= ROUNDS / 2, "at the next datagram");
        // In that round both may have answered, in any order.
        for (number, round) in rounds.iter().enumerate() {
            let only = if number < moved { &goes_on } else { &stays };
            assert!(
                number == moved || round.iter().all(|it| it == only),
                "round {number}, and {moved} was the first of the other: {round:?}"
            );
        }
    }
}

/// How many SYNs had to be sent again in a namespace.
fn repeated_syns(namespace: &Namespace) -> u64 {
    let counters = namespace.enter(|| fs::read_to_string("/proc/thread-self/net/netstat"));
    let counters = counters.expect("the namespace's counters");
    let mut lines = counters.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next(), lines.next());
    let names = names.unwrap_or_default().split_whitespace();
    let found = names
        .zip(values.unwrap_or_default().split_whitespace())
        .find(|(name, _)| *name == "TCPSynRetrans");
    let (_, value) = found.unwrap_or_else(|| panic!("no TCPSynRetrans in\n{counters}"));
    value.parse().expect("a number")
}

/// With IPVS, a client that uses a port again whose connection is in TIME_WAIT there waits for a
/// second (`conn_reuse_mode`).
#[test]
fn connections_in_quick_succession_from_few_ports_do_not_stall() {
    // Not fewer: a port that is used again before its last connection's reset has got through to
    // the server makes TCP itself wait.
    const PORTS: &str = "40000 40199";
    /// Each port has been used more than once then, for each of the servers.
    const ENOUGH: usize = 1000;
    let testbed = Testbed::new();
    testbed
        .namespace
        .enter(|| fs::write("/proc/sys/net/ipv4/ip_local_port_range", PORTS))
        .expect("the namespace's own setting");
    let mut application = testbed.application();
    for (service, servers) in [
        ("10.9.0.1:80", ["127.0.0.11:80", "127.0.0.12:80"]),
        ("[fd00:9::1]:80", ["[::1]:81", "[::1]:82"]),
    ] {
        let _servers = [
            testbed.server("A", servers[0]),
            testbed.server("B", servers[1]),
        ];
        testbed.ipvsadm(&format!("-A -t {service} -s rr"));
        for server in servers {
            testbed.ipvsadm(&format!("-a -t {service} -r {server} -m"));
        }
        let (mut attempts, mut seconds) = (Vec::new(), 0);
        while seconds < 3 || attempts.len() < ENOUGH {
            application.hammer(service, 2);
            thread::sleep(Duration::from_secs(1));
            attempts.extend(application.rest());
            seconds += 1;
        }
        let wrong = attempts.iter().find(|attempt| attempt.reached.is_err());
        assert_eq!(wrong, None, "{service}");
        let longest = attempts
            .iter()
            .map(|attempt| attempt.ended - attempt.started);
        let longest = Duration::from_nanos(longest.max().expect("some connections"));
        let rate = attempts.len() / seconds;
        println!("{service}: {rate} connections a second, the longest took {longest:?}");
        // Where the machine has too much to do, a second passes without a SYN being sent again.
        let repeated = repeated_syns(&testbed.namespace);
        assert!(
            repeated == 0 || longest < Duration::from_secs(1),
            "{service}: {repeated} SYNs were sent again, the longest connect took {longest:?}"
        );
    }
}

/// With IPVS, only masquerading changes the port.
#[test]
fn direct_routing_can_change_the_port() {
    let testbed = Testbed::new();
    let mut application = testbed.application();
    // ipvsadm gives such servers the service's port by itself.
    let mut client = IpvsClient::Other("neli", Box::new(testbed.talk("sockvs-neli-client")));
    for (service, server) in [
        ("10.9.0.1:80", "127.0.0.11:8080"),
        ("[fd00:9::1]:80", "[::1]:8080"),
    ] {
        let _server = testbed.server("A", server);
        client.must(&format!("-A -t {service} -s rr"));
        client.must(&format!("-a -t {service} -r {server} -g"));
        assert_eq!(application.open("it", service), Ok("A".to_owned()));
        assert_eq!(application.peer("it"), service);
        application.close("it");
    }
}
