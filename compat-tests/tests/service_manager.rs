//! Under a service manager: the unit's rights suffice, and the manager hears how the daemon is.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::{Child, Command},
    time::Duration,
};

use compat_tests::{
    Application, Cgroup, Client, Folder, Intercept, Namespace, Place, Server, Talk, Testbed, Turn,
    binaries, daemon::detach_all, eventually::eventually, keepalived, name, program, root,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const UNIT: &str = include_str!("../../dist/systemd/sockvsd.service");
const AFTER: &str = include_str!("../../dist/systemd/keepalived.service.d/10-after-sockvsd.conf");
const EXEC: &str = include_str!("../../dist/systemd/keepalived.service.d/20-sockvs-exec.conf");

/// The words of the last line of a unit's that sets this.
fn words_of(unit: &'static str, key: &str) -> Vec<&'static str> {
    let lines = unit.lines().filter_map(|line| line.strip_prefix(key));
    let line = lines.filter_map(|line| line.strip_prefix('=')).next_back();
    line.unwrap_or_else(|| panic!("the unit has no {key}"))
        .split_whitespace()
        .collect()
}

fn words(key: &str) -> Vec<&'static str> {
    words_of(UNIT, key)
}

/// A daemon, and what it pins. Both go with this.
struct Service {
    child: Child,
    pins: std::path::PathBuf,
    socket: std::path::PathBuf,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = detach_all(&self.pins, &self.socket);
    }
}

fn hear(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = manager
        .recv(&mut buffer)
        .expect("the daemon says something");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn with_the_rights_of_its_unit_the_daemon_serves_and_says_so() {
    root::require();
    let intercept = Intercept::chosen();
    let _turn = Turn::shared(intercept);
    let (folder, namespace, cgroup) = (Folder::new(), Namespace::new(), Cgroup::new());
    let manager = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
    manager
        .set_read_timeout(Some(Duration::from_secs(120)))
        .expect("a socket has a time-out");

    let rights: Vec<String> = words("CapabilityBoundingSet")
        .iter()
        .map(|word| format!("+{}", word.trim_start_matches("CAP_").to_lowercase()))
        .collect();
    let rights = format!("-all,{}", rights.join(","));
    let pins = std::path::Path::new("/sys/fs/bpf").join(name::unique());
    let socket = folder.path().join("sockvs.sock");
    let mut command: Command = Place::new(&namespace).command("setpriv");
    command.args(["--bounding-set", &rights, "--inh-caps", "-all"]);
    if words("NoNewPrivileges") == ["yes"] {
        command.arg("--no-new-privs");
    }
    if binaries::on_path("systemd-analyze").is_some() {
        // Who is asked, too, has to lie where the service may write.
        command.arg(binaries::ours("sockvs-confined"));
        command.arg(folder.write("unit", UNIT)).arg(folder.path());
    } else {
        require_virtual_machine();
    }
    command.arg(binaries::ours("sockvsd"));
    command
        .args(["--intercept", intercept.name(), "--cgroup"])
        .arg(cgroup.path());
    command
        .arg("--pin-dir")
        .arg(&pins)
        .arg("--socket")
        .arg(&socket);
    command
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .env("WATCHDOG_USEC", "400000");
    let child = command.spawn().expect("setpriv starts");
    let pid = i32::try_from(child.id()).expect("process ids are small");
    let mut service = Service {
        child,
        pins,
        socket: socket.clone(),
    };

    let mut heard = vec![hear(&manager)];
    while !heard.iter().any(|said| said.contains("READY=1")) {
        heard.push(hear(&manager));
    }
    let client = Client::new(Place::new(&namespace).in_cgroup(&cgroup), socket, intercept);
    let address = "127.0.0.11:80".parse().expect("an address and a port");
    let _server = Server::start(&namespace, "A", address, Talk::Greeting);
    client.restore("-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m\n");
    let place = Place::new(&namespace).in_cgroup(&cgroup);
    let mut application = Application::start(&place, &folder);
    assert_eq!(application.connect_many("10.9.0.1:80", 2), ["A"; 2]);
    for _ in 0..3 {
        assert_eq!(
            hear(&manager),
            "WATCHDOG=1\n",
            "it goes on saying that it is alive"
        );
    }

    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it is ours");
    let mut said = hear(&manager);
    while said.contains("WATCHDOG=1") {
        said = hear(&manager);
    }
    assert_eq!(said, "STOPPING=1\n");
    let status = service.child.wait().expect("it is ours");
    assert!(status.success(), "{status}");
}

/// As with the drop-in for kernels on which clients have to run under `sockvs exec`.
#[test]
fn under_sockvs_exec_keepalived_is_its_services_main_process() {
    let words = words_of(EXEC, "ExecStart");
    let [sockvs, exec, dashes, keepalived, rest @ ..] = &words[..] else {
        panic!("not a command under sockvs exec: {words:?}");
    };
    let names = (*sockvs, *exec, *dashes, *keepalived);
    assert_eq!(
        names,
        (
            "/usr/local/sbin/sockvs",
            "exec",
            "--",
            "/usr/sbin/keepalived"
        )
    );
    assert_eq!(rest, ["--dont-fork", "$DAEMON_ARGS"]);

    let testbed = Testbed::new();
    let path = |name: &str| testbed.folder.path().join(name);
    let service = "virtual_server 10.9.0.1 80 {\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n\
        real_server 10.8.1.2 80 {\n}\n}\n";
    let file = testbed.folder.write("keepalived.conf", service);
    let log = fs::File::create(path("keepalived.log")).expect("a file of our own");
    let sockvs = binaries::ours("sockvs");
    let mut command = testbed.client().unwrapped(&sockvs.to_string_lossy());
    let program = keepalived::program();
    command.args([exec, dashes, program.as_str(), rest[0], "--log-console"]);
    command
        .args(["--no-syslog", "--check", "--use-file"])
        .arg(file);
    command.arg("--pid").arg(path("main.pid"));
    command.arg("--checkers_pid").arg(path("checkers.pid"));
    command.env("SOCKVS_SOCKET", testbed.daemon.socket());
    command.env("NOTIFY_SOCKET", "/a/socket").stderr(log);
    let mut child = command.spawn().expect("sockvs starts");
    let pid = i32::try_from(child.id()).expect("process ids are small");

    eventually(Duration::from_secs(20), || {
        let saved = testbed.client().saved();
        let served = saved.starts_with("-A -t 10.9.0.1:80 -s rr\n");
        served.then_some(()).ok_or(saved)
    });
    // keepalived notifies systemd if systemd started it, and systemd listens to the main process
    // only.
    let main = fs::read_to_string(path("main.pid")).expect("keepalived writes its process id");
    assert_eq!(
        main.trim(),
        pid.to_string(),
        "the process that was started is keepalived"
    );
    let process = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let parent = format!(") S {} ", std::process::id());
    assert!(
        process.contains(&parent),
        "its parent is who started it: {process}"
    );
    let environment = fs::read(format!("/proc/{pid}/environ")).expect("it runs");
    let environment = String::from_utf8_lossy(&environment);
    assert!(
        environment
            .split('\0')
            .any(|it| it == "NOTIFY_SOCKET=/a/socket")
    );
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it is ours");
    let status = child.wait().expect("it is ours");
    assert!(status.success(), "{status}");
    assert_eq!(testbed.client().saved(), "", "it removes its services");
}

/// There is no systemd in the virtual machine; where the unit is made there is.
fn require_virtual_machine() {
    assert!(
        std::env::var_os("SOCKVS_VM").is_some(),
        "systemd-analyze is not on PATH: run scripts/setup"
    );
}

#[test]
fn systemd_finds_the_daemon_little_exposed() {
    let Some(analyze) = binaries::on_path("systemd-analyze") else {
        return require_virtual_machine();
    };
    let folder = Folder::new();
    let mut command = Command::new(&analyze);
    // In tenths.
    command.args(["security", "--offline=true", "--threshold=35", "--no-pager"]);
    command.arg(folder.write("sockvsd.service", UNIT));
    let outcome = program::run(command);
    assert!(outcome.status.success(), "{outcome}");
}

#[test]
fn systemd_finds_no_fault_with_the_units() {
    let Some(analyze) = binaries::on_path("systemd-analyze") else {
        return require_virtual_machine();
    };
    let folder = Folder::new();
    let (daemon, sockvs) = (binaries::ours("sockvsd"), binaries::ours("sockvs"));
    let here = |unit: &str| {
        unit.replace("/usr/local/sbin/sockvsd", &daemon.to_string_lossy())
            .replace("/usr/local/sbin/sockvs ", &format!("{} ", sockvs.display()))
    };
    let keepalived = "/lib/systemd/system/keepalived.service";
    let keepalived = fs::read_to_string(keepalived).expect("keepalived is installed");
    folder.write("sockvsd.service", &here(UNIT));
    folder.write("keepalived.service", &keepalived);
    let drop_ins = folder.path().join("keepalived.service.d");
    fs::create_dir(&drop_ins).expect("a folder of our own");
    for drop_in in [&[AFTER][..], &[AFTER, EXEC]] {
        for (number, text) in drop_in.iter().enumerate() {
            folder.write(&format!("keepalived.service.d/{number}.conf"), &here(text));
        }
        let mut command = Command::new(&analyze);
        command.env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()));
        command.args([
            "verify",
            "--man=no",
            "sockvsd.service",
            "keepalived.service",
        ]);
        let outcome = program::run(command);
        assert!(
            outcome.status.success() && outcome.stderr.is_empty(),
            "{outcome}"
        );
    }
}

#[test]
fn a_daemon_that_was_started_with_all_rights_keeps_those_of_its_unit() {
    let testbed = Testbed::new();
    // Until all kinds of its threads have done something.
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr -p 60");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m");
    testbed.ipvsadm("-Ln");
    let granted = words("CapabilityBoundingSet")
        .iter()
        .fold(0, |all, name| all | 1 << capability(name));
    let threads = fs::read_dir(format!("/proc/{}/task", testbed.daemon.pid()));
    for thread in threads.expect("the daemon runs").flatten() {
        // One that has ended meanwhile has nothing left to say.
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let sets = [
            ("CapEff:", granted),
            ("CapPrm:", granted),
            ("CapBnd:", granted),
            ("CapInh:", 0),
            ("CapAmb:", 0),
        ];
        for (name, expected) in sets {
            let Some(set) = status.lines().find_map(|line| line.strip_prefix(name)) else {
                continue;
            };
            let set = u64::from_str_radix(set.trim(), 16).expect("a set is in hexadecimal");
            assert_eq!(set, expected, "{name} {set:x}, not {expected:x}:\n{status}");
        }
    }
}

/// A capability's number (`linux/capability.h`).
fn capability(name: &str) -> u32 {
    let known = [
        ("CAP_DAC_READ_SEARCH", 2),
        ("CAP_NET_BIND_SERVICE", 10),
        ("CAP_NET_ADMIN", 12),
        ("CAP_SYS_PTRACE", 19),
        ("CAP_SYS_ADMIN", 21),
    ];
    let found = known.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("{name} is new here")).1
}
