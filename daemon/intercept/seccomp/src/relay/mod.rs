//! The process that accepts supervisors and takes their descriptors.
//!
//! A supervisor sends a descriptor with each request. To close a descriptor of somebody else's can
//! take for ever: a TCP socket may linger, a file system in user space may never answer a FLUSH. A
//! thread that sleeps in the latter cannot even be killed. So the daemon never holds one. A process
//! of its own, the relay, receives each packet, finds out what its descriptor is, and passes on
//! only what can be closed at once: netlink sockets and network namespaces. Everything else it
//! closes itself, on the thread that serves this one connection and nothing else.
//!
//! There are two relays, one for each of the sockets ([`Audience`]), so that nothing that other
//! users do is in the way of root. Each thread has a descriptor table of its own: what a thread
//! that is stuck holds is its connection, and never the listening socket.
//!
//! The relay does not look at what is asked, and decides nothing but how many connections a user
//! may have (`admission`). It has no right but CAP_NET_ADMIN, which it takes to find a socket's
//! network namespace.

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

/// What the relay says of a connection is shorter.
const LONGEST_INTRODUCTION: usize = 64;

/// Who connects to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Audience {
    /// Every user.
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

/// A supervisor that was let in, as the kernel told the relay of it.
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
    /// Each packet tells of a connection. The relay ends when this is closed.
    pub(super) channel: OwnedFd,
}

impl Relay {
    /// Starts the relay of a listening socket.
    pub(super) fn start(audience: Audience, listener: BorrowedFd<'_>) -> io::Result<Self> {
        let (channel, theirs) = channel()?;
        let process = start(audience, theirs, listener.try_clone_to_owned()?)?;
        Ok(Self { process, channel })
    }

    /// Collects one that has ended.
    pub(super) fn collect(self) {
        let _ = kill(self.process, Signal::SIGKILL);
        while waitpid(self.process, None) == Err(Errno::EINTR) {}
    }
}

/// Starts the process: the same program, which is told what to be.
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
        // The signals of a terminal are the daemon's.
        .process_group(0)
        .stdin(Stdio::from(channel))
        .stdout(Stdio::from(listener))
        .spawn()?;
    let process = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok(Pid::from_raw(process))
}

/// The same where the program is a test, which cannot be told.
#[cfg(test)]
fn start(audience: Audience, channel: OwnedFd, listener: OwnedFd) -> io::Result<Pid> {
    use nix::unistd::{ForkResult, dup2_stdin, dup2_stdout, fork};
    // SAFETY: the copy uses nothing that another thread may have held at this moment, but for the
    // allocator, which is made for that.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let ready = dup2_stdin(&channel).and_then(|()| dup2_stdout(&listener));
            let served = ready.map_err(io::Error::from).and_then(|()| run(audience));
            sockvs_sys::process::leave(i32::from(served.is_err()))
        }
    }
}

/// The two ends of a connection between daemon and relay. The longest request fits it.
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
    /// Tells the daemon of it, and hands over the daemon's end of the connection.
    fn introduce(&self, channel: &impl AsFd, connection: BorrowedFd<'_>) -> nix::Result<()> {
        let bytes = [self.uid.to_ne_bytes(), self.pid.to_ne_bytes()].concat();
        let pidfd = self.pidfd.as_ref().map(AsFd::as_fd);
        let descriptors: Vec<_> = [connection].into_iter().chain(pidfd).collect();
        send(channel, &bytes, &descriptors)
    }

    /// The next one that the relay tells of, and the connection. None once the relay has ended.
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
