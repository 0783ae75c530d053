//! What happens at the moment when a daemon starts: its sockets are open to root only even then,
//! and it waits for one that is just ending.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use compat_tests::{Cgroup, Folder, Namespace, Place, Testbed, binaries, daemon::detach_all, name};
use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How often the daemon starts while another user looks at its sockets.
const STARTS: usize = 20;

#[test]
fn the_sockets_for_root_are_never_open_to_others() {
    let (folder, namespace, cgroup) = (Folder::new(), Namespace::new(), Cgroup::new());
    let pins = Path::new("/sys/fs/bpf").join(name::unique());
    let socket = folder.path().join("s");
    let control = socket.clone();
    let root = folder.path().join("s.exec.root");
    let over = AtomicBool::new(false);
    let watch = |path: &Path| {
        let mut seen = Vec::new();
        while !over.load(Ordering::Relaxed) {
            if let Ok(file) = fs::symlink_metadata(path) {
                let mode = file.permissions().mode() & 0o777;
                if mode & 0o077 != 0 && !seen.contains(&mode) {
                    seen.push(mode);
                }
            }
        }
        seen
    };
    let watch = &watch;
    let seen = thread::scope(|scope| {
        let watchers = [control, root].map(|path| scope.spawn(move || (watch(&path), path)));
        for _ in 0..STARTS {
            let place = Place::new(&namespace);
            // As permissive as a daemon's environment can be.
            let mut command = place.command("sh");
            command.args(["-c", "umask 0; exec \"$@\"", "sh"]);
            command.arg(binaries::ours("sockvsd"));
            command.args(["--intercept", "seccomp", "--cgroup"]);
            command.arg(cgroup.path()).arg("--pin-dir").arg(&pins);
            command.arg("--socket").arg(&socket);
            command.stderr(File::create(folder.path().join("log")).expect("our own folder"));
            let mut daemon = command.spawn().expect("sh starts");
            while !folder.path().join("s.exec").exists() && daemon.try_wait().ok() == Some(None) {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_millis(50));
            let pid = i32::try_from(daemon.id()).expect("process ids are small");
            kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it is ours");
            let status = daemon.wait().expect("it is ours");
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            if !status.success() {
                over.store(true, Ordering::Relaxed);
                panic!("{status}: {log}");
            }
        }
        over.store(true, Ordering::Relaxed);
        watchers.map(|watcher| watcher.join().expect("it only looks"))
    });
    let _ = detach_all(&pins, &socket);
    for (modes, path) in seen {
        let modes: Vec<_> = modes.iter().map(|mode| format!("{mode:o}")).collect();
        assert!(modes.is_empty(), "{}: {modes:?}", path.display());
    }
}

#[test]
fn a_daemon_waits_for_one_that_is_ending() {
    let mut testbed = Testbed::new();
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.daemon.stop();
    let pins = File::open(testbed.daemon.pin_dir()).expect("what is pinned stays");
    let held = Flock::lock(pins, FlockArg::LockExclusiveNonblock).expect("it is free");
    let release = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        drop(held);
    });
    testbed.daemon.start_again();
    release.join().expect("it only waits");
    assert_eq!(testbed.client().saved(), "-A -t 10.9.0.1:80 -s rr\n");
}
