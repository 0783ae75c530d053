//! Starting when it cannot be done: one clear line, exit status 1, and nothing left behind. And
//! what `sockvs status` and `sockvs doctor` say.

use std::{fs, path::Path, process::Command};

use compat_tests::{
    Cgroup, Folder, Intercept, Outcome, Testbed, binaries, daemon::detach_all, name, program, root,
};
use serde_json::Value;

#[test]
fn a_second_daemon_on_the_same_pin_directory_is_refused() {
    let testbed = Testbed::new();
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    let mut command = sockvsd(
        testbed.cgroup.path(),
        testbed.daemon.pin_dir(),
        &testbed.folder,
    );
    expect_one_line(&program::run(command), "another sockvsd is running");

    let outcome = detach_all(testbed.daemon.pin_dir(), testbed.daemon.socket());
    expect_one_line(&outcome, "another sockvsd is running");

    // And one on the same control socket.
    let pins = Pins::new();
    command = Command::new(binaries::ours("sockvsd"));
    command
        .arg("--cgroup")
        .arg(testbed.cgroup.path())
        .arg("--pin-dir")
        .arg(&pins.0);
    command.arg("--socket").arg(testbed.daemon.socket());
    expect_one_line(&program::run(command), "cannot listen at");

    assert_eq!(
        testbed.client().saved(),
        "-A -t 10.9.0.1:80 -s rr\n",
        "the first serves as before"
    );
}

#[test]
fn without_root_it_is_refused() {
    root::require();
    let (folder, cgroup, pins) = (Folder::new(), Cgroup::new(), Pins::new());
    // To where every user may run it.
    let copy = folder.copy_program(&binaries::ours("sockvsd"), "sockvsd");
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "--inh-caps",
        "-all",
    ]);
    command
        .arg(copy)
        .args(arguments(cgroup.path(), &pins.0, &folder));
    expect_one_line(&program::run(command), "");
}

#[test]
fn a_folder_that_is_no_cgroup_is_refused() {
    root::require();
    let (folder, pins) = (Folder::new(), Pins::new());
    expect_one_line(
        &program::run(sockvsd(folder.path(), &pins.0, &folder)),
        "cgroup",
    );
    let missing = folder.path().join("missing");
    expect_one_line(&program::run(sockvsd(&missing, &pins.0, &folder)), "cgroup");
    assert!(
        !pins.0.exists(),
        "a daemon that does not start leaves {} behind",
        pins.0.display()
    );
}

#[test]
fn a_pin_directory_outside_of_a_bpf_file_system_is_refused() {
    root::require();
    let (folder, cgroup) = (Folder::new(), Cgroup::new());
    let pins = folder.path().join("pins");
    expect_one_line(
        &program::run(sockvsd(cgroup.path(), &pins, &folder)),
        "BPF file system",
    );
    assert!(
        !pins.exists(),
        "a daemon that does not start leaves {} behind",
        pins.display()
    );
}

#[test]
fn a_machine_without_cgroup2_is_refused() {
    root::require();
    let (folder, pins) = (Folder::new(), Pins::new());
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "sh",
        "-c",
        "umount --lazy --all --types cgroup2 && exec \"$@\"",
        "sh",
    ]);
    command
        .arg(binaries::ours("sockvsd"))
        .arg("--pin-dir")
        .arg(&pins.0);
    command.arg("--socket").arg(folder.path().join("s"));
    expect_one_line(&program::run(command), "no cgroup2 hierarchy is mounted");
    assert!(
        !pins.0.exists(),
        "a daemon that does not start leaves {} behind",
        pins.0.display()
    );
}

#[test]
fn a_kernel_that_takes_no_programs_is_refused() {
    root::require();
    let (folder, cgroup, pins) = (Folder::new(), Cgroup::new(), Pins::new());
    // To root without these, the kernel has no BPF.
    let mut command = Command::new("setpriv");
    command.args([
        "--bounding-set",
        "-bpf,-sys_admin",
        "--inh-caps",
        "-bpf,-sys_admin",
    ]);
    command
        .arg(binaries::ours("sockvsd"))
        .args(arguments(cgroup.path(), &pins.0, &folder));
    expect_one_line(&program::run(command), "");
}

#[test]
fn status_tells_the_truth() {
    let mut testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:80");
    testbed.client().restore(
        "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m\n\
         -a -t 10.9.0.1:80 -r 127.0.0.12:80 -m -w 0\n-A -t [fd00:9::1]:80 -s wrr\n",
    );
    testbed.application().connect_many("10.9.0.1:80", 3);
    let status: Value = parse(&testbed.daemon.status().expect_success());
    let expected = [
        ("pid", Value::from(testbed.daemon.pid())),
        ("intercept", Value::from(Intercept::chosen().name())),
        (
            "cgroup",
            Value::from(testbed.cgroup.path().to_string_lossy()),
        ),
        (
            "pin_dir",
            Value::from(testbed.daemon.pin_dir().to_string_lossy()),
        ),
        ("node_wide", Value::from(false)),
    ];
    for (field, value) in expected {
        assert_eq!(status[field], value, "{field} of {status:#}");
    }
    let [namespace] = status["namespaces"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
    else {
        panic!("not one namespace: {status:#}");
    };
    for (field, value) in [("services", 2), ("destinations", 2), ("connections", 3)] {
        assert_eq!(namespace[field], value, "{field} of {status:#}");
    }

    testbed.daemon.stop();
    expect_one_line(&testbed.daemon.status(), "sockvsd is not running");
}

#[test]
fn doctor_passes_on_this_machine_and_fails_for_an_ordinary_user() {
    let testbed = Testbed::new();
    let doctor = |before: &[&str], json: &[&str]| {
        let sockvs = binaries::ours("sockvs");
        let program = before
            .first()
            .map_or(sockvs.as_os_str(), |word| word.as_ref());
        let mut command = Command::new(program);
        if !before.is_empty() {
            command.args(&before[1..]).arg(&sockvs);
        }
        command
            .arg("--socket")
            .arg(testbed.daemon.socket())
            .arg("doctor")
            .args(json);
        program::run(command)
    };
    let report = doctor(&[], &[]).expect_success();
    let pid = testbed.daemon.pid().to_string();
    assert!(
        report.contains(&pid),
        "it does not know the daemon {pid}:\n{report}"
    );
    let checks: Value = parse(&doctor(&[], &["--json"]).expect_success());
    let checks = checks.as_array().expect("a list of checks");
    assert!(
        checks.len() > 4 && checks.iter().all(|check| check["name"].is_string()),
        "{checks:?}"
    );

    let without_rights = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"];
    for json in [&[][..], &["--json"]] {
        let outcome = doctor(&without_rights, json);
        assert_eq!(outcome.code(), Some(1), "{outcome}");
        assert!(outcome.stdout.contains("rights"), "{outcome}");
    }
}

/// A pin directory that does not exist yet, and that is removed if the daemon makes it.
struct Pins(std::path::PathBuf);

impl Pins {
    fn new() -> Self {
        Self(Path::new("/sys/fs/bpf").join(name::unique()))
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if self.0.exists() {
            let _ = detach_all(&self.0, &self.0.join("no.sock"));
            let _ = fs::remove_dir(&self.0);
        }
    }
}

fn arguments(cgroup: &Path, pins: &Path, folder: &Folder) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let socket = text(&folder.path().join("second.sock"));
    let intercept = Intercept::chosen().name().to_owned();
    let options = ["--intercept", "--cgroup", "--pin-dir", "--socket"].map(str::to_owned);
    let values = [intercept, text(cgroup), text(pins), socket];
    options
        .into_iter()
        .zip(values)
        .flat_map(|(option, value)| [option, value])
        .collect()
}

fn sockvsd(cgroup: &Path, pins: &Path, folder: &Folder) -> Command {
    let mut command = Command::new(binaries::ours("sockvsd"));
    command.args(arguments(cgroup, pins, folder));
    command
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("no JSON: {error}\n{json}"))
}

/// Exit status 1, and a single line that says why.
#[track_caller]
fn expect_one_line(outcome: &Outcome, why: &str) {
    assert_eq!(outcome.code(), Some(1), "{outcome}");
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let [line] = lines.as_slice() else {
        panic!("not one line: {outcome}")
    };
    assert!(
        line.starts_with("sockvs") && line.contains(why),
        "{outcome}"
    );
}
