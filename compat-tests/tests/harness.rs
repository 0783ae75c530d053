//! What the other tests are made with leaves nothing behind, also when a test fails halfway, and
//! says so when it cannot run.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::Command,
};

use compat_tests::{Folder, Testbed, program, root};

/// What a testbed consists of, for looking at afterwards.
struct Traces {
    paths: Vec<PathBuf>,
    processes: Vec<u32>,
}

impl Traces {
    fn of(testbed: &Testbed) -> Self {
        let namespace = Path::new("/run/netns").join(testbed.namespace.name());
        let paths = [
            namespace.as_path(),
            testbed.cgroup.path(),
            testbed.folder.path(),
        ];
        let paths = [
            &paths[..],
            &[testbed.daemon.pin_dir(), testbed.daemon.socket()],
        ]
        .concat();
        let traces = Self {
            paths: paths.into_iter().map(Path::to_owned).collect(),
            processes: vec![testbed.daemon.pid()],
        };
        assert_eq!(
            traces.remaining().len(),
            6,
            "all of it is there while it is used"
        );
        traces
    }

    fn remaining(&self) -> Vec<String> {
        let paths = self.paths.iter().filter(|path| path.exists());
        let paths = paths.map(|path| path.display().to_string());
        let processes = self.processes.iter().filter(|pid| lives(**pid));
        paths
            .chain(processes.map(|pid| format!("process {pid}")))
            .collect()
    }
}

#[test]
fn a_test_that_passes_leaves_nothing_behind() {
    let testbed = Testbed::new();
    let traces = Traces::of(&testbed);
    use_everything(&testbed);
    drop(testbed);
    assert_eq!(traces.remaining(), [""; 0]);
}

#[test]
fn a_test_that_fails_leaves_nothing_behind() {
    let testbed = Testbed::new();
    let mut traces = Traces::of(&testbed);
    let failed = catch_unwind(AssertUnwindSafe(|| {
        let testbed = testbed;
        let _server = testbed.server("A", "127.0.0.11:80");
        let mut application = testbed.application();
        use_everything(&testbed);
        let _ = application.connect("127.0.0.11:80");
        traces.processes.push(stray(&testbed));
        panic!("this test has failed on purpose");
    }));
    assert!(failed.is_err());
    assert_eq!(traces.remaining(), [""; 0]);
}

#[test]
fn a_process_that_outlives_its_test_is_ended_and_makes_the_test_fail() {
    let testbed = Testbed::new();
    let mut traces = Traces::of(&testbed);
    traces.processes.push(stray(&testbed));
    let failed = catch_unwind(AssertUnwindSafe(|| drop(testbed))).expect_err("it has a stray");
    let message = failed.downcast_ref::<String>().expect("a message");
    assert!(message.starts_with("left behind: processes"), "{message}");
    assert_eq!(traces.remaining(), [""; 0]);
}

#[test]
fn without_root_a_test_fails_with_one_clear_line() {
    root::require();
    let folder = Folder::new();
    let test = std::env::current_exe().expect("this test has a file");
    // To where every user may run it.
    let copy = folder.copy_program(&test, "harness");
    let mut command = Command::new(copy);
    command.args(["--exact", "a_test_that_passes_leaves_nothing_behind"]);
    command.env("RUST_BACKTRACE", "0").uid(65534).gid(65534);
    let outcome = program::run(command);
    assert!(!outcome.status.success(), "{outcome}");
    let clear = "the compatibility tests need root: run them with sudo";
    let lines = outcome.stdout.lines().chain(outcome.stderr.lines());
    assert_eq!(lines.filter(|line| *line == clear).count(), 1, "{outcome}");
}

/// Whether a process runs. One that has ended stays in the list until its parent reaps it.
fn lives(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| !state.trim_start().starts_with('Z'))
}

/// Has a client add something, and maps and programs used.
fn use_everything(testbed: &Testbed) {
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m");
    let _ = testbed.application().connect("10.9.0.1:80");
}

/// A process in the testbed's cgroup that is not ended: its process id.
fn stray(testbed: &Testbed) -> u32 {
    let mut shell = testbed.client().command("sh");
    shell.args(["-c", "sleep 600 </dev/null >/dev/null 2>&1 & echo $!"]);
    program::run(shell)
        .expect_success()
        .trim_end()
        .parse()
        .expect("a process id")
}
