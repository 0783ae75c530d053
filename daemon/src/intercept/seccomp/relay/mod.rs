//! The process that accepts supervisors and takes their descriptors.
//!
//! A supervisor sends a descriptor with each request. To close a descriptor of somebody else's can
//! take for ever: a TCP socket may linger, a file system in user space may never answer a FLUSH. A
//! thread that sleeps in the latter cannot even be killed. So the daemon never holds one. A process
//! of its own, the relay, receives each packet, finds out what its descriptor is, and passes on only
//! what can be closed at once: netlink sockets and network namespaces. Everything else it closes
//! itself, on the thread that serves this one connection and nothing else.
//!
//! There are two relays, one for each of the sockets ([`Audience`]), so that nothing that other users
//! do is in the way of root. Each thread has a descriptor table of its own: what a thread that is
//! stuck holds is its connection, and never the listening socket.
//!
//! The relay does not look at what is asked, and decides nothing but how many connections a user may
//! have (`admission`). It has no right but CAP_NET_ADMIN, which it takes to find a socket's network
//! namespace.

mod admission;
mod connection;
mod process;

use std::{
    io::{self, IoSlice},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Child, Command, Stdio},
};

use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, setsockopt,
    socketpair, sockopt,
};

pub use process::run;

use super::{packet, wire::LARGEST_PACKET};

/// Who connects to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Audience {
    /// Every user.
    Everybody,
    /// Root, by the permissions of the socket's file.
    Root,
}

impl Audience {
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
    child: Child,
    /// Each packet tells of a connection. The relay ends when this is closed.
    pub(super) channel: OwnedFd,
}

impl Relay {
    /// Starts the relay of a listening socket.
    pub(super) fn start(audience: Audience, listener: BorrowedFd<'_>) -> io::Result<Self> {
        let (ours, theirs) = channel()?;
        let child = Command::new("/proc/self/exe")
            .arg0(process::NAME)
            .args(["--relay", audience.name()])
            .current_dir("/")
            .env_remove("NOTIFY_SOCKET")
            // The signals of a terminal are the daemon's.
            .process_group(0)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::from(listener.try_clone_to_owned()?))
            .spawn()?;
        Ok(Self {
            child,
            channel: ours,
        })
    }

    /// Collects one that has ended.
    pub(super) fn collect(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The two ends of a connection between daemon and relay. The longest request fits it.
fn channel() -> nix::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let ends = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    let room = 2 * LARGEST_PACKET;
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
        let Some(packet) = packet::receive(channel)? else {
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
