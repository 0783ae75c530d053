//! Shared code of the tests: runs commands, and creates directories.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, signal};

use crate::Files;

/// The time limit for operations that should take no time.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A new directory that all users may enter. It is kept until the next test run, as it is unknown
/// which process of the tests ends last.
pub(super) fn folder() -> PathBuf {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let base = BASE.get_or_init(|| {
        let all = std::env::temp_dir().join("sockvs-seccomp-tests");
        for old in std::fs::read_dir(&all)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
        {
            if !Path::new("/proc").join(old.file_name()).exists() {
                let _ = std::fs::remove_dir_all(old.path());
            }
        }
        all.join(std::process::id().to_string())
    });
    let path = base.join(COUNT.fetch_add(1, Ordering::Relaxed).to_string());
    std::fs::create_dir_all(&path).expect("folder");
    path
}

/// A socket path on which no process listens.
pub(super) fn nowhere() -> PathBuf {
    folder().join("nobody")
}

/// The client of `client.c`, statically linked.
pub(super) fn client() -> &'static str {
    static CLIENT: OnceLock<String> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let folder = folder();
        let (source, binary) = (folder.join("client.c"), folder.join("client"));
        std::fs::write(&source, include_str!("client.c")).expect("source");
        let compiler = Command::new("cc")
            .args(["-static", "-pthread", "-O1", "-Wall", "-o"])
            .args([&binary, &source])
            .status();
        assert!(compiler.expect("cc").success());
        binary.into_os_string().into_string().expect("path")
    })
}

/// A command that runs `words` under `sockvs exec`, after `first` in the new process. That process
/// has one thread, as [`exec`](crate::exec()) requires.
pub(super) fn command_after(
    daemon: &Path,
    words: &[&str],
    first: impl FnMut() + Send + Sync + 'static,
) -> Command {
    command_with(daemon, words, Files::Kernels, first)
}

/// The same, with the option for files.
pub(super) fn command_with(
    daemon: &Path,
    words: &[&str],
    files: Files,
    mut first: impl FnMut() + Send + Sync + 'static,
) -> Command {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    let daemon = daemon.to_owned();
    let mut command = Command::new("/nonexistent");
    let become_it = move || {
        // The parent may ignore it, which is inherited.
        // SAFETY: no handler is set; there is nothing that could run at the wrong time.
        let _ = unsafe { signal(Signal::SIGINT, SigHandler::SigDfl) };
        first();
        let error = crate::exec(&words, &daemon, files);
        // `eprintln` would write to the test harness.
        let _ = nix::unistd::write(std::io::stderr(), format!("{error}\n").as_bytes());
        // SAFETY: ends the process.
        unsafe { libc::_exit(error.exit_code().into()) }
    };
    // SAFETY: the child takes no lock that another thread could have held, except the allocator's,
    // which fork reinitialises.
    unsafe { command.pre_exec(become_it) };
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(super) fn command(daemon: &Path, words: &[&str]) -> Command {
    command_after(daemon, words, || ())
}

pub(super) fn spawn(daemon: &Path, words: &[&str]) -> Child {
    command(daemon, words).spawn().expect("command")
}

/// The result of a command, which must end in time.
pub(super) fn finish(mut child: Child) -> Output {
    let begin = Instant::now();
    while child.try_wait().expect("wait").is_none() {
        if begin.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the command hangs: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("output")
}

pub(super) fn run(daemon: &Path, words: &[&str]) -> Output {
    finish(spawn(daemon, words))
}

/// The lines that a successful command prints.
pub(super) fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    text.lines().map(str::to_owned).collect()
}

/// Waits until a condition holds.
pub(super) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
