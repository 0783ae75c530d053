//! What a command sees of IPVS, with and without a daemon.

use std::process::Command;

use super::daemon::{Daemon, Dump};
use super::library::{client, command_after, finish, lines, nowhere, run, spawn};
use sockvs_sys::process::{PIDFD_THREAD, pidfd_open};

const FAMILY_LINES: [&str; 2] = ["seq=1 type=0x10", "seq=1 end=0"];

#[test]
fn stock_ipvsadm_is_answered() {
    let daemon = Daemon::start(Dump::Empty);
    let output = run(&daemon.socket, &["ipvsadm", "-Ln"]);
    let lines = lines(&output);
    assert_eq!(
        lines[0], "IP Virtual Server version 1.2.1 (size=4096)",
        "{output:?}"
    );
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn without_a_daemon_ipvsadm_sees_a_kernel_without_ipvs() {
    let plain = Command::new("ipvsadm")
        .arg("-Ln")
        .output()
        .expect("ipvsadm");
    let output = run(&nowhere(), &["ipvsadm", "-Ln"]);
    if plain.status.success() {
        return; // This kernel has an IPVS of its own.
    }
    assert_eq!(output, plain);
}

#[test]
fn every_send_call_is_served() {
    let daemon = Daemon::start(Dump::Empty);
    for mode in ["sendto", "sendmsg", "connected"] {
        let lines = lines(&run(&daemon.socket, &[client(), mode]));
        assert_eq!(lines[0], "sent 32", "{mode}");
        assert_eq!(lines[1..], FAMILY_LINES, "{mode}");
    }
    let vector = lines(&run(&daemon.socket, &[client(), "sendmmsg"]));
    assert_eq!(vector[0], "sent 3: 32 32 20", "{vector:?}");
    let ends: Vec<_> = vector.iter().filter(|line| line.contains("end=")).collect();
    assert_eq!(ends, ["seq=1 end=0", "seq=2 end=0", "seq=3 end=0"]);
}

#[test]
fn without_a_daemon_the_kernel_refuses_every_send_call() {
    for mode in ["sendto", "sendmsg", "connected", "info", "dump"] {
        let lines = lines(&run(&nowhere(), &[client(), mode]));
        let sequence = if mode == "dump" { 9 } else { 1 };
        assert_eq!(
            lines[1..],
            [format!("seq={sequence} end={}", libc::ENOENT)],
            "{mode}"
        );
    }
}

#[test]
fn a_mixed_datagram_is_served_in_order() {
    let daemon = Daemon::start(Dump::Empty);
    let mut mixed = lines(&run(&daemon.socket, &[client(), "mixed"]));
    assert_eq!(mixed.remove(0), "sent 96");
    let expected: Vec<_> = (1..=3)
        .flat_map(|n| [format!("seq={n} type=0x10"), format!("seq={n} end=0")])
        .collect();
    assert_eq!(mixed, expected);
    let away = lines(&run(&nowhere(), &[client(), "mixed"]));
    let missing = format!("seq=2 end={}", libc::ENOENT);
    assert_eq!(
        away[1..],
        [
            "seq=1 type=0x10",
            "seq=1 end=0",
            &missing,
            "seq=3 type=0x10",
            "seq=3 end=0"
        ]
    );
}

#[test]
fn a_mixed_datagram_of_a_less_privileged_client_goes_to_the_kernel() {
    let daemon = Daemon::start(Dump::Empty);
    // Loses all capabilities after the supervisor has come up.
    let words = [
        "setpriv",
        "--reuid",
        "65534",
        "--clear-groups",
        client(),
        "mixed",
    ];
    let output = lines(&run(&daemon.socket, &words));
    assert_eq!(
        output[3],
        format!("seq=2 end={}", libc::ENOENT),
        "{output:?}"
    );
    assert!(daemon.seen().is_empty());
}

#[test]
fn invalid_calls_fail_as_in_the_kernel() {
    let daemon = Daemon::start(Dump::Empty);
    let plain = Command::new(client()).arg("bad").output().expect("client");
    assert_eq!(run(&daemon.socket, &[client(), "bad"]), plain);
}

#[test]
fn a_dump_ends_when_the_daemon_ends_it() {
    for dump in [Dump::Empty, Dump::Later] {
        let daemon = Daemon::start(dump);
        let lines = lines(&run(&daemon.socket, &[client(), "dump"]));
        assert_eq!(
            lines.last().map(String::as_str),
            Some("seq=9 end=0"),
            "{dump:?}"
        );
    }
}

#[test]
fn capabilities_are_checked_per_client() {
    let daemon = Daemon::start(Dump::Empty);
    let child = spawn(&daemon.socket, &[client(), "info"]);
    let pid = i32::try_from(child.id()).expect("pid");
    assert_eq!(
        lines(&finish(child)).last().map(String::as_str),
        Some("seq=1 end=0")
    );
    let words = [
        "setpriv",
        "--reuid",
        "65534",
        "--clear-groups",
        client(),
        "info",
    ];
    let refused = format!("seq=1 end={}", libc::EPERM);
    assert_eq!(lines(&run(&daemon.socket, &words)).last(), Some(&refused));
    let words = ["unshare", "--user", "--map-root-user", client(), "info"];
    assert_eq!(lines(&run(&daemon.socket, &words)).last(), Some(&refused));
    let seen = daemon.seen();
    assert_eq!(
        seen.iter().map(|seen| seen.net_admin).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert_eq!(seen[0].pid, pid);
    assert_eq!(seen[0].namespace, seen[1].namespace);
}

#[test]
fn an_unprivileged_supervisor_works_without_net_admin() {
    let daemon = Daemon::start(Dump::Empty);
    let as_nobody = |words: &[&str]| {
        let command = command_after(&daemon.socket, words, || {
            nix::unistd::setgroups(&[]).expect("groups");
            nix::unistd::setgid(65534.into()).expect("group");
            nix::unistd::setuid(65534.into()).expect("user");
            // Lost with the change of user, as nothing is executed between here and the start of
            // the supervisor.
            nix::sys::prctl::set_dumpable(true).expect("dumpable");
        })
        .spawn();
        lines(&finish(command.expect("command")))
    };
    assert_eq!(as_nobody(&[client(), "sendto"])[1..], FAMILY_LINES);
    let refused = format!("seq=1 end={}", libc::EPERM);
    assert_eq!(as_nobody(&[client(), "info"]).last(), Some(&refused));
    let privileges = ["sh", "-c", "grep NoNewPrivs /proc/self/status"];
    assert_eq!(as_nobody(&privileges), ["NoNewPrivs:\t1"]);
    assert_eq!(lines(&run(&daemon.socket, &privileges)), ["NoNewPrivs:\t0"]);
}

#[test]
fn a_client_in_another_network_namespace_is_identified_by_it() {
    let daemon = Daemon::start(Dump::Empty);
    let _ = lines(&run(&daemon.socket, &[client(), "sendto"]));
    // There is no answer: the fake daemon only has a socket in its own namespace, and panics.
    let child = spawn(&daemon.socket, &["unshare", "--net", client(), "sendto"]);
    super::library::wait_until("a second client", || daemon.seen().len() >= 2);
    drop(finish(child));
    let seen = daemon.seen();
    assert_ne!(seen[0].namespace, seen[1].namespace);
}

#[test]
fn threads_are_distinguished() {
    let daemon = Daemon::start(Dump::Empty);
    assert_eq!(
        lines(&run(&daemon.socket, &[client(), "threads"])),
        ["800 answered"]
    );
    let own = i32::try_from(std::process::id()).expect("pid");
    if pidfd_open(own, PIDFD_THREAD).is_ok() {
        assert_eq!(
            lines(&run(&daemon.socket, &[client(), "leaderless"])),
            ["100 answered"]
        );
    }
    let script = r"
import socket, struct, threading
def ask(results):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
    s.settimeout(10)
    for i in range(50):
        s.send(struct.pack('=IHHIIBBHHH5s3x', 32, 0x10, 5, i, 0, 3, 1, 0, 9, 2, b'IPVS'))
        while struct.unpack_from('=HHI', r := s.recv(4096), 4)[::2] != (2, i):
            pass
        assert r[16:20] == bytes(4)
        results.append(i)
results = []
threads = [threading.Thread(target=ask, args=(results,)) for _ in range(6)]
for t in threads: t.start()
for t in threads: t.join()
print(len(results))
";
    assert_eq!(
        lines(&run(&daemon.socket, &["python3", "-c", script])),
        ["300"]
    );
}

#[test]
fn other_netlink_and_network_programs_are_not_affected() {
    let daemon = Daemon::start(Dump::Empty);
    for words in [
        &["ip", "link", "show"][..],
        &["genl", "ctrl", "list"],
        &["ip", "route"],
    ] {
        let plain = Command::new(words[0])
            .args(&words[1..])
            .output()
            .expect("command");
        assert_eq!(run(&daemon.socket, words), plain, "{words:?}");
    }
    let echo = "
import socket, threading
server = socket.create_server(('127.0.0.1', 0))
def serve():
    c, _ = server.accept()
    while data := c.recv(65536): c.sendall(data)
threading.Thread(target=serve, daemon=True).start()
s = socket.create_connection(server.getsockname())
for i in range(300):
    s.sendall(b'x' * 1000); n = 0
    while n < 1000: n += len(s.recv(65536))
print('ok')
";
    assert_eq!(
        lines(&run(&daemon.socket, &["python3", "-c", echo])),
        ["ok"]
    );
    assert!(daemon.seen().is_empty());
}

#[test]
fn children_of_children_are_served() {
    let daemon = Daemon::start(Dump::Empty);
    let nested = format!("sh -c '(setsid {} sendto; true); true'; true", client());
    assert_eq!(
        lines(&run(&daemon.socket, &["sh", "-c", &nested]))[1..],
        FAMILY_LINES
    );
}

#[test]
fn fifty_commands_at_once_are_served() {
    let daemon = Daemon::start(Dump::Empty);
    let words = ["ipvsadm", "-Ln"];
    let all: Vec<_> = (0..50).map(|_| spawn(&daemon.socket, &words)).collect();
    for child in all {
        assert!(lines(&finish(child))[0].starts_with("IP Virtual Server"));
    }
}
