//! Programs that a user of the machine without any rights runs.

use std::{
    ffi::{OsStr, OsString},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::{environment::place::Place, process::binaries};

/// The user `nobody`.
pub const NOBODY: u32 = 65534;

/// A command of such a user's.
#[must_use]
pub fn command(place: &Place, uid: u32, program: impl AsRef<OsStr>) -> Command {
    let id = uid.to_string();
    let mut command = place.command("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    command.args(["--bounding-set", "-all", "--inh-caps", "-all"]);
    command.arg(program.as_ref());
    command
}

/// A command of such a user's in a user and a network namespace of its own, where it is root: under
/// `sockvs exec`, with the daemon at this socket.
#[must_use]
pub fn root_of_its_own(place: &Place, uid: u32, socket: &Path, program: &str) -> Command {
    let id = uid.to_string();
    let mut command = place.command("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    command.args(["unshare", "--user", "--map-root-user", "--net"]);
    let exec: [OsString; 5] = [
        binaries::ours("sockvs").into(),
        "--socket".into(),
        socket.into(),
        "exec".into(),
        "--".into(),
    ];
    command.args(exec).arg(program);
    command
}

/// A program that runs on while a test goes on. It ends with this value, and what it started with
/// it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    /// Starts one. Its standard input stays open for as long as it runs.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        use std::os::unix::process::CommandExt as _;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().expect("cannot start a user's program");
        let stdout = child.stdout.take().expect("it has been asked for");
        Self {
            child,
            lines: BufReader::new(stdout),
        }
    }

    /// The next line that it prints; empty when it has ended.
    ///
    /// # Panics
    ///
    /// When what it prints is no text.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line);
        read.expect("cannot read what a user's program prints");
        line.trim_end().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
