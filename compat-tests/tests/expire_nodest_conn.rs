//! The setting `expire_nodest_conn`: connections end when their server is deleted.

use compat_tests::{Outcome, Testbed, application::Socket, binaries, program};
use nix::errno::Errno;

fn set(testbed: &Testbed, assignment: &str) -> Outcome {
    let mut command = testbed.place().command(binaries::ours("sockvs"));
    command.arg("--socket").arg(testbed.daemon.socket());
    command.args(["setting", assignment]);
    program::run(command)
}

const RULES: &str = "-A -t 10.9.0.1:80 -s rr
-a -t 10.9.0.1:80 -r 127.0.0.11:8001 -m
-A -t [fd00:9::1]:80 -s rr
-a -t [fd00:9::1]:80 -r [::1]:8001 -m
-A -t 10.9.0.2:80 -s rr
-a -t 10.9.0.2:80 -r 127.0.0.11:8001 -m
-A -u 10.9.0.1:53 -s rr
-a -u 10.9.0.1:53 -r 127.0.0.11:5301 -m
-A -u [fd00:9::1]:53 -s rr
-a -u [fd00:9::1]:53 -r [::1]:5301 -m
";
/// What deletes all servers but those of 10.9.0.2.
const DELETIONS: [&str; 4] = [
    "-d -t 10.9.0.1:80 -r 127.0.0.11:8001",
    "-D -t [fd00:9::1]:80",
    "-d -u 10.9.0.1:53 -r 127.0.0.11:5301",
    "-D -u [fd00:9::1]:53",
];
/// Connections to these servers.
const STREAMS: [(&str, Socket, &str); 3] = [
    ("four", Socket::Plain, "10.9.0.1:80"),
    ("mapped", Socket::Inet6, "10.9.0.1:80"),
    ("six", Socket::Plain, "[fd00:9::1]:80"),
];
const DATAGRAMS: [(&str, Socket, &str); 3] = [
    ("udp-four", Socket::Plain, "10.9.0.1:53"),
    ("udp-mapped", Socket::Inet6, "10.9.0.1:53"),
    ("udp-six", Socket::Plain, "[fd00:9::1]:53"),
];

#[test]
fn connections_to_a_deleted_server_end_if_the_setting_says_so_and_no_others() {
    let testbed = Testbed::new();
    let _streams = [
        testbed.server("A", "127.0.0.11:8001"),
        testbed.server("A6", "[::1]:8001"),
    ];
    let _datagrams = [
        testbed.datagram_server("A", "127.0.0.11:5301"),
        testbed.datagram_server("A6", "[::1]:5301"),
    ];
    testbed.client().restore(RULES);
    let mut application = testbed.application();
    application.open("other", "10.9.0.2:80").expect("connected");
    application
        .open("direct", "127.0.0.11:8001")
        .expect("connected");
    for (id, socket, to) in STREAMS {
        application.open_by(socket, id, to).expect("connected");
    }
    for (id, socket, to) in DATAGRAMS {
        application.udp(id, socket, to);
        application.connect_socket(id, to).expect("connected");
        application.ask_peer(id).expect("an answer");
    }
    set(&testbed, "expire_nodest_conn=1").expect_success();
    for (id, ..) in STREAMS {
        application.say(id).expect("no server was deleted yet");
    }
    for deletion in DELETIONS {
        testbed.ipvsadm(deletion);
    }
    for (id, ..) in STREAMS {
        assert_eq!(application.say(id), Err(Errno::ECONNABORTED), "{id}");
    }
    for (id, ..) in DATAGRAMS {
        let answer = application.ask_peer(id);
        assert_eq!(
            answer,
            Err(Errno::EDESTADDRREQ),
            "{id} has no peer any more"
        );
    }
    for id in ["other", "direct"] {
        application.say(id).expect("its server is there");
    }
}

#[test]
fn without_the_setting_connections_live_on_until_it_is_set() {
    let testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:8001");
    testbed
        .client()
        .restore("-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 127.0.0.11:8001 -m\n");
    let mut application = testbed.application();
    application.open("it", "10.9.0.1:80").expect("connected");
    testbed.ipvsadm("-d -t 10.9.0.1:80 -r 127.0.0.11:8001");
    application.say("it").expect("it lives on");
    set(&testbed, "expire_nodest_conn=1").expect_success();
    assert_eq!(application.say("it"), Err(Errno::ECONNABORTED));
}
