//! A user without rights has as many flows of datagrams as can be had. All others go on sending,
//! and are answered from the virtual address.

use std::time::Duration;

use compat_tests::{
    Census, DatagramServer, SocketLoad, Testbed,
    eventually::eventually,
    listing,
    socket_load::{Counts, NOBODY, OTHER_USER},
};
use nix::errno::Errno;

const ONE: &str = "10.9.0.1:53";
const OTHER: &str = "10.9.0.2:53";

/// Two services, whose servers answer.
fn with_services(testbed: &Testbed) -> [DatagramServer; 2] {
    testbed.client().restore(&format!(
        "-A -u {ONE} -s rr
         -a -u {ONE} -r 127.0.0.11:5301 -m
         -A -u {OTHER} -s rr
         -a -u {OTHER} -r 127.0.0.12:5301 -m
"
    ));
    [("A", 11), ("B", 12)]
        .map(|(name, host)| testbed.datagram_server(name, &format!("127.0.0.{host}:5301")))
}

/// A new socket of this user is answered from the address that it asked. A datagram can be lost
/// while the server's socket is full of other datagrams, so it is sent several times.
#[track_caller]
fn is_answered(user: &mut SocketLoad, whose: &str) {
    const TRIES: usize = 5;
    for (service, name) in [(ONE, "A"), (OTHER, "B")] {
        let answers = (0..TRIES).map(|_| user.ask(service));
        let mut answers = answers.skip_while(|answer| *answer == Err(Errno::ETIME));
        let answer = answers.next().unwrap_or(Err(Errno::ETIME));
        assert_eq!(answer, Ok(format!("{name} {service}")), "{whose} asks");
    }
}

#[test]
fn one_users_sockets_take_no_room_from_others() {
    // Room for 131 072 flows.
    let testbed = Testbed::with_options(&["--max-connections", "262144"]);
    let _servers = with_services(&testbed);
    // A socket has up to 16 flows.
    let mut more = Vec::new();
    for host in 3..=16 {
        more.push(format!("10.9.0.{host}:53"));
    }
    for service in &more {
        testbed.ipvsadm(&format!("-A -u {service} -s rr"));
        testbed.ipvsadm(&format!("-a -u {service} -r 127.0.0.11:5301 -m"));
    }
    let more = more.join(" ");
    let mut load = SocketLoad::start(&testbed, NOBODY);
    let mut other_user = SocketLoad::start(&testbed, OTHER_USER);
    let mut root = SocketLoad::start(&testbed, 0);
    // As many as there used to be room for, and then all that can be had.
    let sent = load.run(&format!("unconnected 16384 {ONE} {OTHER}"));
    assert_eq!(sent, Counts::from([("ok".to_owned(), 2 * 16_384)]));
    is_answered(&mut other_user, "another user");
    is_answered(&mut root, "root");
    load.run("close");
    let sent = load.run(&format!("unconnected 18000 {ONE} {OTHER} {more}"));
    assert!(
        sent.contains_key("ENOMEM"),
        "there is an end to it: {sent:?}"
    );
    assert_eq!(load.ask(ONE), Err(Errno::ENOMEM), "of one user");
    is_answered(&mut other_user, "another user");
    is_answered(&mut root, "root");
    let listed = listing::read(&testbed.ipvsadm("-Ln"));
    let servers = listed.iter().filter(|line| line.server.is_some());
    let counted: u64 = servers.map(|line| line.numbers[2]).sum();
    assert_eq!(counted, sent["ok"], "flows that are open");
    drop((load, other_user, root));
    eventually(Duration::from_secs(60), || {
        Census::of(testbed.daemon.pin_dir()).is_empty()
    });
}

#[test]
fn users_that_take_all_they_can_get_leave_room_for_the_next() {
    // Room for 16 384 flows.
    let testbed = Testbed::with_options(&["--max-connections", "20000"]);
    let _servers = with_services(&testbed);
    let mut greedy: Vec<SocketLoad> = Vec::new();
    for user in [1001, 1002] {
        let mut load = SocketLoad::start(&testbed, user);
        is_answered(&mut load, &format!("user {user}"));
        let sent = load.run(&format!("unconnected 17000 {ONE}"));
        assert!(sent.contains_key("ENOMEM"), "{user}: {sent:?}");
        greedy.push(load);
    }
    let mut root = SocketLoad::start(&testbed, 0);
    is_answered(&mut root, "root");
    let mut next = SocketLoad::start(&testbed, NOBODY);
    is_answered(&mut next, "the next user");
    drop((greedy, root, next));
    eventually(Duration::from_secs(60), || {
        Census::of(testbed.daemon.pin_dir()).is_empty()
    });
}
