//! The process that accepts supervisors and receives their descriptors.
//!
//! A supervisor sends a descriptor with each request. Closing another process's descriptor can
//! block forever: a TCP socket may linger, a file system in user space may never answer a FLUSH. A
//! thread that sleeps in the latter cannot even be killed. So the daemon never receives such a
//! descriptor. A separate process, the relay, receives each packet, checks the descriptor, and
//! passes on only what can be closed without blocking: netlink sockets and network namespaces. It
//! closes everything else itself, on the thread of that connection.
//!
//! There are two relays, one for each of the sockets ([`Audience`]), so that other users cannot
//! delay root. Each thread has its own descriptor table: a blocked thread holds its connection, but
//! never the listening socket.
//!
//! The relay does not decode requests, and decides nothing except how many connections a user may
//! have (`admission`). Its only capability is CAP_NET_ADMIN, which is needed to determine a
//! socket's network namespace.

mod admission;
mod connection;
mod process;

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        socket::{
            AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg,
            setsockopt, socketpair, sockopt,
        },
        wait::waitpid,
    },
    unistd::Pid,
};

pub use process::run;

use super::{packet, wire::LARGEST_VOUCHED};

/// The maximum length of the relay's packet about a connection.
const LONGEST_INTRODUCTION: usize = 64;

/// The users of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Audience {
    /// All users.
    Everybody,
    /// Root, by the permissions of the socket's file.
    Root,
}

impl Audience {
    #[cfg(not(test))]
    fn name(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Root => "root",
        }
    }
}

/// A supervisor that was admitted, with its credentials from the kernel.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) uid: libc::uid_t,
    pub(super) pid: libc::pid_t,
    /// Its process; none before Linux 6.5.
    pub(super) pidfd: Option<OwnedFd>,
}

/// A running relay. It ends when this is dropped, or with the daemon.
pub(super) struct Relay {
    process: Pid,
    /// Receives one packet for each connection. The relay ends when this is closed.
    pub(super) channel: OwnedFd,
}

impl Relay {
    /// Starts the relay of a listening socket.
    pub(super) fn start(audience: Audience, listener: BorrowedFd<'_>) -> io::Result<Self> {
        let (channel, theirs) = channel()?;
        let process = start(audience, theirs, listener.try_clone_to_owned()?)?;
        Ok(Self { process, channel })
    }

    /// Waits for a relay that has ended.
    pub(super) fn collect(self) {
        let _ = kill(self.process, Signal::SIGKILL);
        while waitpid(self.process, None) == Err(Errno::EINTR) {}
    }
}

/// Starts the process: the same program with other arguments.
#[cfg(not(test))]
fn start(audience: Audience, channel: OwnedFd, listener: OwnedFd) -> io::Result<Pid> {
    use std::{
        os::unix::process::CommandExt as _,
        process::{Command, Stdio},
    };
    let child = Command::new("/proc/self/exe")
        .arg0(process::NAME)
        .args(["--relay", audience.name()])
        .current_dir("/")
        .env_remove("NOTIFY_SOCKET")
        // Signals of the terminal only go to the daemon.
        .process_group(0)
        .stdin(Stdio::from(channel))
        .stdout(Stdio::from(listener))
        .spawn()?;
    let process = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok(Pid::from_raw(process))
}

/// The same by fork, for tests, whose program has no such arguments.
#[cfg(test)]
fn start(audience: Audience, channel: OwnedFd, listener: OwnedFd) -> io::Result<Pid> {
    use nix::unistd::{ForkResult, dup2_stdin, dup2_stdout, fork};
    // SAFETY: the child uses nothing that another thread may have locked at this moment, except the
    // allocator, which supports fork.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let ready = dup2_stdin(&channel).and_then(|()| dup2_stdout(&listener));
            let served = ready.map_err(io::Error::from).and_then(|()| run(audience));
            sockvs_sys::process::leave(i32::from(served.is_err()))
        }
    }
}

/// The two ends of a connection between daemon and relay. Its buffer holds the longest request.
fn channel() -> nix::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let ends = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    let room = 2 * LARGEST_VOUCHED;
    if setsockopt(&ends.1, sockopt::SndBufForce, &room).is_err() {
        let _ = setsockopt(&ends.1, sockopt::SndBuf, &room);
    }
    Ok(ends)
}

/// Sends a packet with descriptors.
fn send(to: &impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> nix::Result<()> {
    let numbers: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let rights = if numbers.is_empty() { &[][..] } else { &rights };
    let flags = MsgFlags::MSG_NOSIGNAL;
    let pieces = [IoSlice::new(bytes)];
    sendmsg::<UnixAddr>(to.as_fd().as_raw_fd(), &pieces, rights, flags, None).map(drop)
}

impl Peer {
    /// Sends the supervisor's credentials to the daemon, with the daemon's end of the connection.
    fn introduce(&self, channel: &impl AsFd, connection: BorrowedFd<'_>) -> nix::Result<()> {
        let bytes = [self.uid.to_ne_bytes(), self.pid.to_ne_bytes()].concat();
        let pidfd = self.pidfd.as_ref().map(AsFd::as_fd);
        let descriptors: Vec<_> = [connection].into_iter().chain(pidfd).collect();
        send(channel, &bytes, &descriptors)
    }

    /// The next supervisor from the relay, with its connection. `None` when the relay has ended.
    pub(super) fn meet(channel: BorrowedFd<'_>) -> io::Result<Option<(Self, OwnedFd)>> {
        let Some(packet) = packet::receive(channel, LONGEST_INTRODUCTION)? else {
            return Ok(None);
        };
        let nonsense = || io::Error::from(io::ErrorKind::InvalidData);
        let (uid, pid) = packet.bytes.split_first_chunk().ok_or_else(nonsense)?;
        let mut descriptors = packet.descriptors.into_iter();
        let connection = descriptors.next().ok_or_else(nonsense)?;
        let peer = Self {
            uid: libc::uid_t::from_ne_bytes(*uid),
            pid: libc::pid_t::from_ne_bytes(pid.try_into().map_err(|_| nonsense())?),
            pidfd: descriptors.next(),
        };
        Ok(Some((peer, connection)))
    }
}
