//! Under one `sockvs exec`: what one process keeps the supervisor waiting for, no other waits for,
//! nor does any process wait for a frozen daemon.

use std::time::{Duration, Instant};

use compat_tests::{
    Client, Conversation, Intercept, StuckFile, Testbed, binaries,
    conversation::SHELL,
    eventually::{done_within, eventually},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long another program under the same `sockvs exec` may take.
const LIMIT: Duration = Duration::from_secs(1);
/// How long a client may wait for a daemon that stands still: five seconds, and what a busy machine
/// adds.
const PATIENCE: Duration = Duration::from_secs(9);

/// A session under one `sockvs exec`. What was started in it ends with it.
struct Session {
    shell: Conversation,
    started: Vec<Pid>,
    testbed: Testbed,
}

impl Session {
    fn new() -> Self {
        let testbed = Testbed::new();
        let socket = testbed.daemon.socket().to_owned();
        let client = Client::new(testbed.place(), socket, Intercept::Seccomp);
        let mut command = client.command("sh");
        command.args(["-c", SHELL]);
        let mut shell = Conversation::start(command, "sh", &testbed.folder);
        shell.must("ipvsadm -A -t 10.9.0.1:80 -s rr");
        Self {
            shell,
            started: Vec::new(),
            testbed,
        }
    }

    /// Has a user without rights do something, in the same session.
    fn attack(&mut self, words: &str) {
        let attacker = binaries::ours("sockvs-attacker");
        let line = format!(
            "{} {words} </dev/null >{}/attack 2>&1 & echo $!",
            attacker.display(),
            self.testbed.folder.path().display()
        );
        let pid = self.shell.must(&line).concat();
        let pid = pid.parse().expect("the shell tells the process id");
        self.started.push(Pid::from_raw(pid));
    }

    /// What the attackers complain of.
    fn complaints(&self) -> String {
        std::fs::read_to_string(self.testbed.folder.path().join("attack")).unwrap_or_default()
    }

    /// Until the file system has been asked for what it never answers.
    #[track_caller]
    fn await_waiting(&self, stuck: &StuckFile) {
        eventually(Duration::from_secs(10), || match stuck.waiting() {
            0 => Err(format!("it was asked for nothing; {}", self.complaints())),
            _ => Ok(()),
        });
    }

    /// Others notice nothing.
    #[track_caller]
    fn assert_served(&mut self) {
        for line in ["ip link show lo", "ipvsadm -Ln"].repeat(5) {
            done_within(LIMIT, line, || {
                self.shell.must(line);
            });
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut others = self.testbed.cgroup.processes();
        // Those that the attackers started, too.
        others.retain(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.starts_with("sockvs-attacker"))
        });
        for pid in self.started.iter().chain(&others) {
            let _ = kill(*pid, Signal::SIGKILL);
        }
    }
}

#[test]
fn a_descriptor_that_is_never_closed_delays_no_other_process() {
    let mut session = Session::new();
    let Some(stuck) = StuckFile::new(&session.testbed.folder) else {
        return;
    };
    session.attack(&format!("send-on {} 16", stuck.path().display()));
    session.await_waiting(&stuck);
    session.assert_served();
}

#[test]
fn memory_that_is_never_paged_in_delays_no_other_process() {
    let mut session = Session::new();
    let Some(stuck) = StuckFile::new(&session.testbed.folder) else {
        return;
    };
    session.attack(&format!("send-from {} 64", stuck.path().display()));
    session.await_waiting(&stuck);
    session.assert_served();
}

#[test]
fn many_processes_that_keep_the_supervisor_waiting_leave_root_its_share() {
    let mut session = Session::new();
    let Some(stuck) = StuckFile::new(&session.testbed.folder) else {
        return;
    };
    for _ in 0..30 {
        session.attack(&format!("send-from {} 16", stuck.path().display()));
    }
    session.await_waiting(&stuck);
    session.assert_served();
}

#[test]
fn a_lingering_socket_closed_while_it_sends_delays_no_other_process() {
    let mut session = Session::new();
    session.attack("close-while-sending 300");
    for _ in 0..10 {
        session.assert_served();
    }
}

#[test]
fn a_frozen_daemon_counts_as_absent_until_it_resumes() {
    let mut session = Session::new();
    let rules = session.shell.must("ipvsadm -S -n");
    session.testbed.daemon.freeze();
    let start = Instant::now();
    let added = session.shell.ask("ipvsadm -A -t 10.9.0.2:80 -s rr");
    let took = start.elapsed();
    assert!(took < PATIENCE, "ipvsadm waited for {took:?}");
    assert!(added.is_err(), "no daemon did it: {added:?}");
    done_within(LIMIT, "what is known to be away", || {
        let listed = session.shell.ask("ipvsadm -Ln");
        assert!(listed.is_err(), "no daemon did it: {listed:?}");
    });
    session.shell.must("ip link show lo");

    session.testbed.daemon.thaw();
    eventually(Duration::from_secs(10), || {
        let listed = session.shell.ask("ipvsadm -S -n");
        // What was given up is not done later.
        let served = listed.as_ref() == Ok(&rules);
        served.then_some(()).ok_or_else(|| format!("{listed:?}"))
    });
    session.shell.must("ipvsadm -A -t 10.9.0.3:80 -s rr");
}
