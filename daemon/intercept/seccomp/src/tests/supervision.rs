//! How a command and its supervisor start and end.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, accept4, bind, listen, recv,
    socket,
};
use nix::unistd::Pid;

use super::daemon::{Daemon, Dump};
use super::library::{
    client, command, command_after, finish, folder, lines, nowhere, run, spawn, wait_until,
};

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("pid"))
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    let no_daemon = nowhere();
    assert_eq!(
        run(&no_daemon, &["sh", "-c", "exit 7"]).status.code(),
        Some(7)
    );
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let child = spawn(&no_daemon, &["sleep", "100"]);
        wait_until("the command runs", || {
            fs::read_to_string(format!("/proc/{}/comm", child.id()))
                .is_ok_and(|name| name == "sleep\n")
        });
        kill(pid(child.id()), signal).expect("kill");
        assert_eq!(finish(child).status.signal(), Some(signal as i32));
    }
    let output = run(&no_daemon, &["/nonexistent/command"]);
    assert_eq!(output.status.code(), Some(127));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        text,
        "/nonexistent/command: No such file or directory (os error 2)\n"
    );
    assert_eq!(run(&no_daemon, &["/etc/passwd"]).status.code(), Some(126));
}

#[test]
fn the_command_keeps_its_process_id_and_children() {
    let child = spawn(
        &nowhere(),
        &["sh", "-c", "echo $$; ps -o pid= --ppid $$ | wc -l"],
    );
    let id = child.id().to_string();
    let lines = lines(&finish(child));
    // Both children belong to the pipeline.
    assert_eq!(lines, [id, "2".to_owned()]);
}

#[test]
fn one_sigpipe_still_ends_a_command() {
    let script = "(yes; echo $? >&2) | head -1";
    let output = run(&nowhere(), &["bash", "-c", script]);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr).trim(),
        (128 + libc::SIGPIPE).to_string()
    );
}

/// The process with our mark that is not the command itself.
fn supervisor_of(mark: u64, command: u32) -> Option<u32> {
    fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(Result::ok)
        .find_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            let limits = fs::read_to_string(format!("/proc/{id}/limits")).ok()?;
            let line = limits
                .lines()
                .find(|line| line.starts_with("Max pending signals"))?;
            (id != command && line.split_whitespace().nth(3) == Some(&mark.to_string()))
                .then_some(id)
        })
}

#[test]
fn the_supervisor_is_detached_and_ends_with_the_last_process() {
    let mark = 4000 + u64::from(std::process::id() % 999);
    let (reader, writer) = std::io::pipe().expect("pipe");
    let leaked = writer.as_raw_fd();
    let mut child = command_after(
        &nowhere(),
        &["sh", "-c", "read line; (read line; exit 0) <&0 & exit 3"],
        move || {
            let (_, most) = getrlimit(Resource::RLIMIT_SIGPENDING).expect("limit");
            setrlimit(Resource::RLIMIT_SIGPENDING, mark, most).expect("limit");
            // A descriptor that the command inherits, and the supervisor must close.
            nix::fcntl::fcntl(&writer, nix::fcntl::F_SETFD(nix::fcntl::FdFlag::empty()))
                .expect("fcntl");
        },
    )
    .stdin(Stdio::piped())
    .spawn()
    .expect("command");
    let mut stdin = child.stdin.take().expect("stdin");
    let mut supervisor = 0;
    wait_until("there is a supervisor", || {
        supervisor = supervisor_of(mark, child.id()).unwrap_or(0);
        supervisor != 0
    });
    wait_until("it is named", || {
        fs::read_to_string(format!("/proc/{supervisor}/comm"))
            .is_ok_and(|name| name == "sockvs-exec\n")
    });
    let link = |fd: i32| fs::read_link(format!("/proc/{supervisor}/fd/{fd}")).unwrap_or_default();
    wait_until("it has settled", || {
        let mine = fs::read_dir(format!("/proc/{supervisor}/fd")).expect("fd");
        // The standard streams, the listener, a pipe to itself, its network namespace.
        mine.count() == 7
    });
    for fd in 0..3 {
        assert_eq!(link(fd).to_str(), Some("/dev/null"));
    }
    let kept: Vec<_> = (3..100).map(link).collect();
    let is_kept = |name| {
        kept.iter()
            .any(|link| link.to_string_lossy().contains(name))
    };
    assert!(is_kept("seccomp"), "{kept:?}");
    assert!(leaked > 2);
    let stat = fs::read_to_string(format!("/proc/{supervisor}/stat")).expect("stat");
    let fields: Vec<_> = stat.rsplit(") ").next().expect("stat").split(' ').collect();
    assert_ne!(fields[1], child.id().to_string(), "parent");
    assert_eq!(
        [fields[2], fields[3]],
        [supervisor.to_string(), supervisor.to_string()],
        "session"
    );
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        kill(pid(supervisor), signal).expect("kill");
    }
    // The command ends, its child does not.
    stdin.write_all(b"\n").expect("write");
    assert_eq!(child.wait().expect("wait").code(), Some(3));
    std::thread::sleep(Duration::from_millis(100));
    assert!(supervisor_of(mark, 0).is_some());
    drop(stdin);
    wait_until("it is gone", || {
        fs::read_to_string(format!("/proc/{supervisor}/stat"))
            .map_or(true, |stat| stat.contains(") Z"))
    });
    drop(reader);
}

#[test]
fn a_command_under_another_supervisor_is_left_to_that_one() {
    let outer = Daemon::start(Dump::Empty);
    // The same process calls exec twice, as `sockvs exec -- sockvs exec -- …` would.
    let outer_socket = outer.socket.clone();
    let inner = command_after(&nowhere(), &[client(), "sendto"], move || {
        let error = supervise_only(&outer_socket);
        assert!(error.is_none(), "{error:?}");
    });
    let mut inner = inner;
    let lines = lines(&finish(inner.spawn().expect("command")));
    assert_eq!(lines[1..], ["seq=1 type=0x10", "seq=1 end=0"]);
}

/// Installs the supervisor without executing a command.
fn supervise_only(socket: &std::path::Path) -> Option<crate::ExecError> {
    crate::launch::come_under_supervision(socket, crate::Files::Kernels).err()
}

#[test]
fn a_daemon_that_dies_in_a_dump_leaves_an_error() {
    let daemon = Daemon::start(Dump::Held);
    let child = spawn(&daemon.socket, &[client(), "dump"]);
    wait_until("the dump is under way", || {
        !daemon.fake.held.lock().expect("lock").is_empty()
    });
    std::thread::sleep(Duration::from_millis(100));
    drop(daemon);
    let lines = lines(&finish(child));
    assert_eq!(
        lines[1..],
        [
            "seq=9 type=0x4956".to_owned(),
            format!("seq=9 end={}", libc::ENOENT)
        ]
    );
}

#[test]
fn a_daemon_that_dies_before_taking_leaves_an_error() {
    let path = folder().join("socket");
    let flags = SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).expect("socket");
    bind(
        listener.as_raw_fd(),
        &UnixAddr::new(&path).expect("address"),
    )
    .expect("bind");
    listen(&listener, Backlog::new(5).expect("backlog")).expect("listen");
    let child = spawn(&path, &[client(), "dump"]);
    let connection = accept4(listener.as_raw_fd(), flags).expect("accept");
    let mut packet = [0; 64];
    assert_eq!(recv(connection, &mut packet, MsgFlags::empty()), Ok(36));
    drop(listener);
    nix::unistd::close(connection).expect("close");
    let lines = lines(&finish(child));
    assert_eq!(
        lines,
        ["sent 20".to_owned(), format!("seq=9 end={}", libc::ENOENT)]
    );
}

#[test]
fn a_client_that_waits_for_the_daemon_can_be_killed() {
    let daemon = Daemon::start(Dump::Stalled);
    let child = spawn(&daemon.socket, &[client(), "dump"]);
    wait_until("the request is there", || !daemon.seen().is_empty());
    let begin = Instant::now();
    kill(pid(child.id()), Signal::SIGINT).expect("kill");
    assert_eq!(finish(child).status.signal(), Some(libc::SIGINT));
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_daemon_that_comes_back_serves_the_same_command() {
    let first = Daemon::start(Dump::Empty);
    let path = first.socket.clone();
    let script = format!(
        "while read line; do {} sendto | tail -1; echo; done",
        client()
    );
    let mut child = command(&path, &["sh", "-c", &script])
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    let mut stdin = child.stdin.take().expect("stdin");
    let stdout = child.stdout.take().expect("stdout");
    let (sender, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::BufRead::lines(std::io::BufReader::new(stdout)) {
            let line = line.expect("line");
            if !line.is_empty() && sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut ask = || {
        stdin.write_all(b"\n").expect("write");
        heard
            .recv_timeout(super::library::PATIENCE)
            .expect("an answer")
    };
    assert_eq!(ask(), "seq=1 end=0");
    drop(first);
    assert_eq!(ask(), format!("seq=1 end={}", libc::ENOENT));
    let second = Daemon::start_at(&path, Dump::Empty);
    assert_eq!(ask(), "seq=1 end=0");
    drop(second);
    let third = Daemon::start_at(&path, Dump::Empty);
    assert_eq!(
        ask(),
        "seq=1 end=0",
        "a daemon that was replaced between two requests"
    );
    drop(stdin);
    assert!(finish(child).status.success());
    drop(third);
}

#[test]
fn done_is_abandoned_when_no_client_waits() {
    let daemon = Daemon::start(Dump::Held);
    let child = spawn(&daemon.socket, &[client(), "dump"]);
    wait_until("the dump is under way", || {
        !daemon.fake.held.lock().expect("lock").is_empty()
    });
    let abandoned = || {
        daemon
            .fake
            .held
            .lock()
            .expect("lock")
            .values()
            .all(|done| done.is_abandoned())
    };
    assert!(!abandoned());
    kill(pid(child.id()), Signal::SIGTERM).expect("kill");
    drop(finish(child));
    wait_until("it is abandoned", abandoned);
}
