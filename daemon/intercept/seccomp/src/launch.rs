//! Starts the supervisor, and turns this process into the command.
//!
//! The process that the user started becomes the command, so signals, job control, exit status and
//! a service manager's main process are the command's own. The supervisor is detached (forked
//! twice), has its own session, ignores signals and keeps none of the caller's descriptors open.
//!
//! They communicate through two pipes, with `read` and `write`, which the filter does not trap:
//!
//! ```text
//! supervisor -> command   its process id: it is ready
//! command -> supervisor   the number of the filter's listener (the filter is on from here)
//! supervisor -> command   0, or the errno that kept it from taking the listener
//! ```

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};

use super::socket::ClientSocket;
use super::{Files, datagram, filter, process, supervisor};

/// Why a command was not run.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// There is no command.
    #[error("no command given")]
    NoCommand,
    /// The process has several threads, and fork would copy only one.
    #[error("cannot start a supervisor from a process that has threads")]
    Threads,
    /// The supervisor failed to start.
    #[error("cannot start the supervisor: {0}")]
    Supervisor(#[from] io::Error),
    /// The filter was refused.
    #[error("the kernel refuses the seccomp filter (Linux 5.9 or later is needed): {0}")]
    Filter(#[source] Errno),
    /// Another program supervises this process's system calls. The kernel allows one only.
    #[error("another program supervises the system calls of this process already")]
    Occupied,
    /// The command itself could not be started.
    #[error("{}: {source}", command.display())]
    Command {
        /// Its name.
        command: OsString,
        /// The cause.
        source: io::Error,
    },
}

impl ExecError {
    /// The exit status for a shell: 127 for a command that does not exist, 126 for one that cannot
    /// be executed, 125 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Command { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::Command { .. } => 126,
            _ => 125,
        }
    }
}

/// Turns this process into `command`, whose IPVS requests go to the daemon at `daemon_socket`.
/// Returns only on failure. Must be called before any thread is started.
///
/// A command that already runs under another `sockvs exec` stays under that one, whichever daemon
/// it uses.
pub fn exec(command: &[OsString], daemon_socket: &Path, files: Files) -> ExecError {
    let Some((name, arguments)) = command.split_first() else {
        return ExecError::NoCommand;
    };
    if let Err(error) = come_under_supervision(daemon_socket, files) {
        return error;
    }
    let source = Command::new(name).args(arguments).exec();
    ExecError::Command {
        command: name.clone(),
        source,
    }
}

pub(super) fn come_under_supervision(daemon_socket: &Path, files: Files) -> Result<(), ExecError> {
    if process::threads().map_err(io::Error::from)? != 1 {
        return Err(ExecError::Threads);
    }
    let daemon_socket = std::path::absolute(daemon_socket)?;
    let (from_command, mut to_supervisor) = pipe()?;
    let (mut from_supervisor, to_command) = pipe()?;
    let command = process::own_pid();
    fork_away(|| supervise(command, from_command, to_command, daemon_socket))?;

    sockvs_sys::process::allow_tracer(receive(&mut from_supervisor)?);
    let listener = match filter::install(files) {
        Ok(listener) => listener,
        Err(Errno::EBUSY) if is_supervised() => return Ok(()),
        Err(Errno::EBUSY) => return Err(ExecError::Occupied),
        Err(errno) => return Err(ExecError::Filter(errno)),
    };
    send(&mut to_supervisor, listener.as_raw_fd())?;
    match receive(&mut from_supervisor)? {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno).into()),
    }
}

/// Runs `child` in a detached process, with its result as the exit status.
fn fork_away(child: impl FnOnce() -> libc::c_int) -> io::Result<()> {
    // SAFETY: this process has one thread, so the child can do whatever the parent could.
    match unsafe { fork() }? {
        ForkResult::Child => {
            // SAFETY: the same holds for the copy.
            let status = match unsafe { fork() } {
                Ok(ForkResult::Child) => child(),
                Ok(ForkResult::Parent { .. }) => 0,
                Err(_) => 1,
            };
            // Without exit handlers.
            sockvs_sys::process::leave(status)
        }
        ForkResult::Parent { child } => {
            // If SIGCHLD is ignored, there is nothing to wait for.
            while waitpid(child, None) == Err(Errno::EINTR) {}
            Ok(())
        }
    }
}

/// Whether another `sockvs exec` supervises this process.
fn is_supervised() -> bool {
    let generic = SockProtocol::NetlinkGeneric;
    socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        generic,
    )
    .ok()
    .and_then(|socket| ClientSocket::recognise(socket).ok())
    .is_some_and(|socket| socket.send(&datagram::probe()) == Err(Errno::EALREADY))
}

/// The main function of the supervisor.
fn supervise(
    command: libc::pid_t,
    mut from_command: PipeReader,
    mut to_command: PipeWriter,
    daemon_socket: PathBuf,
) -> libc::c_int {
    if detach(&from_command, &to_command).is_err()
        || send(&mut to_command, process::own_pid()).is_err()
    {
        return 1;
    }
    // Without a number, the command has failed, or is already under another supervisor.
    let Ok(number) = receive(&mut from_command) else {
        sockvs_sys::process::leave(0)
    };
    let listener = match take_listener(command, number) {
        Ok(listener) => listener,
        Err(errno) => {
            let _ = send(&mut to_command, errno as i32);
            return 1;
        }
    };
    let sent = send(&mut to_command, 0);
    drop((from_command, to_command));
    if sent.is_ok() {
        return i32::from(supervisor::run(listener, daemon_socket).is_err());
    }
    0
}

fn take_listener(command: libc::pid_t, number: RawFd) -> nix::Result<OwnedFd> {
    sockvs_sys::process::pidfd_getfd(sockvs_sys::process::pidfd_open(command, 0)?.as_fd(), number)
}

/// Gives up everything of the caller's: its session, signals, terminal, pipes and working
/// directory.
fn detach(from_command: &PipeReader, to_command: &PipeWriter) -> nix::Result<()> {
    setsid()?;
    SigSet::all().thread_block()?;
    let nothing = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null");
    let nothing = nothing.map_err(|_| Errno::ENXIO)?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    dup2_stderr(&nothing)?;
    drop(nothing);
    close_all_but(from_command.as_raw_fd(), to_command.as_raw_fd())?;
    chdir("/")?;
    // The name for `ps`. The limit of descriptors is raised because each pending dump holds one.
    let _ = nix::sys::prctl::set_name(c"sockvs-exec");
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
    Ok(())
}

/// Closes everything beyond the standard streams except two descriptors.
fn close_all_but(one: RawFd, other: RawFd) -> nix::Result<()> {
    let (low, high) = (one.min(other), one.max(other));
    sockvs_sys::process::close_range(3, low - 1)?;
    sockvs_sys::process::close_range(low + 1, high - 1)?;
    sockvs_sys::process::close_range(high + 1, RawFd::MAX)
}

fn send(pipe: &mut PipeWriter, number: i32) -> io::Result<()> {
    pipe.write_all(&number.to_ne_bytes())
}

fn receive(pipe: &mut PipeReader) -> io::Result<i32> {
    let mut number = [0; 4];
    pipe.read_exact(&mut number)
        .map_err(|_| io::Error::other("it went away"))?;
    Ok(i32::from_ne_bytes(number))
}
