//! Calls about socket options: which ones are intercepted, and their results.

use std::net::UdpSocket;
use std::os::fd::AsFd;

use nix::errno::Errno;

use super::daemon::{Daemon, Dump};
use super::library::{command_after, finish, lines, nowhere, run};
use sockvs_server::sockopt::{BASE, LAST_GET, LAST_SET};

/// The result of one call of a Python program on an IPv4 socket.
fn python(daemon: &std::path::Path, call: &str) -> String {
    let script = format!(
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         try: print({call})\nexcept OSError as e: print(e.errno)"
    );
    lines(&run(daemon, &["/usr/bin/python3", "-c", &script])).join("\n")
}

/// This kernel's error for an unknown option.
fn unknown() -> String {
    let errno = Errno::ENOPROTOOPT as i32;
    errno.to_string()
}

#[test]
fn a_value_of_many_pieces_arrives_whole() {
    let daemon = Daemon::start(Dump::Empty);
    let script = "
import socket, ctypes
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
value, length = ctypes.create_string_buffer(200000), ctypes.c_int(200000)
result = libc.getsockopt(s.fileno(), 0, 1154, value, ctypes.byref(length))
print(result, length.value, value.raw.count(7), value.raw[-1])";
    let found = lines(&run(&daemon.socket, &["/usr/bin/python3", "-c", script]));
    assert_eq!(found, ["0 199999 199999 0"]);
}

#[test]
fn only_options_of_ipvs_are_intercepted() {
    let daemon = Daemon::start(Dump::Empty);
    for number in [BASE, LAST_GET] {
        let call = format!("len(s.getsockopt(0, {number}, 300))");
        assert_eq!(python(&daemon.socket, &call), "299", "{call}");
    }
    for number in [BASE, LAST_SET] {
        let call = format!("s.setsockopt(0, {number}, b'x' * 300)");
        assert_eq!(python(&daemon.socket, &call), "None", "{call}");
    }
    let seen = daemon.seen();
    assert!(seen.iter().all(|seen| seen.net_admin), "{seen:?}");
    for call in [
        format!("s.getsockopt(0, {}, 300)", BASE - 1),
        format!("s.getsockopt(0, {}, 300)", LAST_GET + 1),
        format!("s.setsockopt(0, {}, b'x' * 300)", BASE - 1),
        format!("s.setsockopt(0, {}, b'x' * 300)", LAST_SET + 1),
        format!("s.getsockopt(1, {BASE}, 300)"),
        format!("s.setsockopt(6, {BASE}, b'x' * 300)"),
    ] {
        assert_eq!(python(&daemon.socket, &call), unknown(), "{call}");
    }
    assert_eq!(daemon.seen(), seen, "the kernel's own options");
}

#[test]
fn other_sockets_go_to_the_kernel() {
    let daemon = Daemon::start(Dump::Empty);
    let unix = format!("socket.socket(socket.AF_UNIX).getsockopt(0, {BASE}, 300) if True else s");
    let netlink =
        format!("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16).getsockopt(0, {BASE}, 300)");
    for call in [unix, netlink] {
        assert_ne!(python(&daemon.socket, &call), "299", "{call}");
    }
    let six = format!("len(socket.socket(socket.AF_INET6).getsockopt(0, {BASE}, 300))");
    assert_eq!(python(&daemon.socket, &six), "299");
}

#[test]
fn without_a_daemon_there_are_no_such_options() {
    for call in [
        format!("s.getsockopt(0, {BASE}, 300)"),
        format!("s.setsockopt(0, {BASE}, b'x' * 300)"),
    ] {
        assert_eq!(python(&nowhere(), &call), unknown(), "{call}");
    }
}

#[test]
fn net_admin_is_checked_in_the_sockets_namespace() {
    let daemon = Daemon::start(Dump::Empty);
    let call = format!(
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         try: print(len(s.getsockopt(0, {BASE}, 300)))\nexcept OSError as e: print(e.errno)"
    );
    let program = ["/usr/bin/python3", "-c", &call];
    let found = |before: &[&str]| {
        let words = [before, &program[..]].concat();
        lines(&finish(
            command_after(&daemon.socket, &words, || ())
                .spawn()
                .expect("command"),
        ))
        .join("\n")
    };
    let refused = (Errno::EPERM as i32).to_string();
    let drop_it = [
        "setpriv",
        "--bounding-set",
        "-net_admin",
        "--inh-caps",
        "-net_admin",
    ];
    assert_eq!(found(&drop_it), refused, "without the capability");
    let user = ["unshare", "--user", "--map-root-user"];
    assert_eq!(found(&user), refused, "root of a user namespace below");
    let network = ["unshare", "--user", "--map-root-user", "--net"];
    assert_eq!(found(&network), "299", "root of the namespace's owner");
    let own = UdpSocket::bind("127.0.0.1:0").expect("socket");
    let own = sockvs_sys::netns::cookie_of_socket(own.as_fd()).expect("cookie");
    let seen = daemon.seen();
    assert_eq!(seen[1].namespace, own);
    assert_ne!(seen[2].namespace, own);
}
