//! Under a service manager: the unit's rights suffice, and the manager hears how the daemon is.

use std::{
    os::unix::net::UnixDatagram,
    process::{Child, Command},
    time::Duration,
};

use compat_tests::{
    Application, Cgroup, Client, Folder, Intercept, Namespace, Place, Server, Talk, Testbed, Turn,
    binaries, daemon::detach_all, name, program, root,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const UNIT: &str = include_str!("../../daemon/systemd/sockvsd.service");

/// The words of a line of the unit.
fn words(key: &str) -> Vec<&'static str> {
    let lines = UNIT.lines().filter_map(|line| line.strip_prefix(key));
    let line = lines.filter_map(|line| line.strip_prefix('=')).next();
    line.unwrap_or_else(|| panic!("the unit has no {key}"))
        .split_whitespace()
        .collect()
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
        .set_read_timeout(Some(Duration::from_secs(20)))
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

#[test]
fn systemd_finds_no_fault_with_the_unit() {
    let Some(analyze) = binaries::on_path("systemd-analyze") else {
        // There is no systemd in the virtual machine; where the unit is made there is.
        assert!(
            std::env::var_os("SOCKVS_VM").is_some(),
            "systemd-analyze is not on PATH: run scripts/setup"
        );
        return;
    };
    let folder = Folder::new();
    let daemon = binaries::ours("sockvsd");
    let unit = UNIT.replace("/usr/local/sbin/sockvsd", &daemon.to_string_lossy());
    let unit = folder.write("sockvsd.service", &unit);
    let mut command = Command::new(analyze);
    command.args(["verify", "--man=no"]).arg(unit);
    let outcome = program::run(command);
    assert!(
        outcome.status.success() && outcome.stderr.is_empty(),
        "{outcome}"
    );
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
    let threads = std::fs::read_dir(format!("/proc/{}/task", testbed.daemon.pid()));
    for thread in threads.expect("the daemon runs").flatten() {
        // One that has ended meanwhile has nothing left to say.
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
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
