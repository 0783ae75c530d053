//! Running one side of a scenario in a network namespace of its own.

use std::{
    fs, io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use compat_tests::{Folder, Namespace, Place};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::scenario::{Line, Scenario};

/// How long a step may take, on a slow virtual machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Who answers.
#[derive(Debug)]
pub(crate) enum Side {
    /// The kernel's own IPVS: no daemon may run.
    Kernel,
    /// A daemon that answers every client.
    Transparent,
    /// A daemon that answers the clients under this command.
    Wrapped(Vec<PathBuf>),
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its standard output.
    pub(crate) stdout: Vec<u8>,
    /// Its standard error.
    pub(crate) stderr: Vec<u8>,
    /// How it ended.
    pub(crate) status: ExitStatus,
}

/// Runs a scenario, and gives the answer of each step. `launcher` is a command that each step is to
/// run under, on both sides.
///
/// # Errors
///
/// When a step cannot be run or was answered by the wrong side, or what prepares one fails.
pub(crate) fn run(
    scenario: &Scenario,
    side: &Side,
    launcher: Option<&PathBuf>,
) -> Result<Vec<Answer>, String> {
    let (namespace, folder) = (Namespace::new(), Folder::new());
    let place = Place::new(&namespace);
    let mut answers = Vec::new();
    for line in &scenario.lines {
        let (text, wrapper, launcher) = match (line, side) {
            (Line::Step(text), Side::Wrapped(wrapper)) => (text, wrapper.as_slice(), launcher),
            (Line::Step(text), _) => (text, [].as_slice(), launcher),
            (Line::Setup(text), _) => (text, [].as_slice(), None),
        };
        let problem = |problem: &dyn std::fmt::Display| {
            format!("{} ({side:?}): {text}: {problem}", scenario.name)
        };
        let shell = PathBuf::from("sh");
        let mut words = wrapper.iter().chain(launcher).chain([&shell]);
        let mut command = place.command(words.next().unwrap_or(&shell));
        command.args(words);
        command.args(["-c", text]).current_dir(folder.path());
        command.env("LC_ALL", "C");
        let answer = finish(command).map_err(|error| problem(&error))?;
        match line {
            Line::Setup(_) if !answer.status.success() => {
                let stderr = String::from_utf8_lossy(&answer.stderr);
                return Err(problem(&format!("{}: {stderr}", answer.status)));
            }
            Line::Setup(_) => {}
            Line::Step(_) => answers.push(answer),
        }
        if !matches!(side, Side::Kernel) && kernel_has_services(&namespace) {
            return Err(problem(&"the kernel's own IPVS carried it out"));
        }
    }
    Ok(answers)
}

/// Whether the kernel's own IPVS has anything in this namespace.
fn kernel_has_services(namespace: &Namespace) -> bool {
    /// Its list of services starts with three lines of headings.
    const HEADINGS: usize = 3;
    let list = namespace.enter(|| fs::read_to_string("/proc/thread-self/net/ip_vs"));
    list.is_ok_and(|list| list.lines().count() > HEADINGS)
}

/// Runs a command to its end.
fn finish(mut command: Command) -> io::Result<Answer> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // The receiver is gone when it took too long.
        let _ = sender.send(child.wait_with_output());
    });
    let Ok(output) = receiver.recv_timeout(LIMIT) else {
        // The thread waits for it, so the id is still the child's.
        let _ = kill(pid, Signal::SIGKILL);
        let error = format!("does not end within {LIMIT:?}");
        return Err(io::Error::new(io::ErrorKind::TimedOut, error));
    };
    let Output {
        status,
        stdout,
        stderr,
    } = output?;
    Ok(Answer {
        stdout,
        stderr,
        status,
    })
}

impl Answer {
    /// How it ended, in words.
    pub(crate) fn ending(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => self.status.to_string(),
        }
    }
}
