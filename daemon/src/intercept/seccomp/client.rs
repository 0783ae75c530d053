//! Finds out who asks. Takes nobody's word: the socket and /proc say it all.
//!
//! Netlink asks for CAP_NET_ADMIN in the initial user namespace, which is taken to be ours; socket
//! options ask for it in the one that owns the socket's network namespace.

use std::os::fd::{AsFd, OwnedFd};

use nix::Result;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};

use super::option::InternetSocket;
use super::standing::{Owner, Standing};
use super::{Client, OptionCaller, process, socket::ClientSocket, sys};

/// `getsockopt` on a netlink socket.
const NETLINK_CAP_ACK: libc::c_int = 10;
const NETLINK_EXT_ACK: libc::c_int = 11;

/// A supervisor, as known from its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Supervisor {
    /// Its user, for sharing out connections.
    pub(super) uid: libc::uid_t,
    /// Its thread ids mean the same as ours.
    same_process_namespace: bool,
    may_administer: bool,
    standing: Option<Standing>,
}

impl Supervisor {
    /// The one at the other end.
    pub(super) fn of(connection: &impl AsFd) -> Result<Self> {
        let credentials = getsockopt(connection, sockopt::PeerCredentials)?;
        let (uid, pid) = (credentials.uid(), credentials.pid());
        let pidfd = sys::peer_pidfd(connection.as_fd());
        let own = process::own_pid();
        let same_process_namespace = match process::namespace(pid, "pid") {
            Ok(theirs) => theirs == process::namespace(own, "pid")?,
            Err(_) => false,
        };
        let may_administer = process::may_administer(pid).unwrap_or(false);
        let standing = Standing::of(pid).ok();
        // What was read is about the supervisor if it still lives now. Without a pidfd (before
        // Linux 6.5) somebody else could have its process id by now, so only root's word counts.
        let certain = match &pidfd {
            Ok(pidfd) => lives(pidfd)?,
            Err(Errno::ENOPROTOOPT) => uid == 0,
            Err(_) => false,
        };
        Ok(Self {
            uid,
            same_process_namespace: same_process_namespace && certain,
            may_administer: same_process_namespace && may_administer && certain,
            standing: standing.filter(|_| same_process_namespace && certain),
        })
    }

    /// The client that it passes a socket of.
    pub(super) fn client(&self, tid: libc::pid_t, descriptor: OwnedFd) -> Result<Client> {
        let socket = ClientSocket::recognise(descriptor).ok_or(Errno::EINVAL)?;
        let port = socket.port()?;
        if port == 0 {
            return Err(Errno::EINVAL);
        }
        let set = |name| {
            sys::number_option(socket.as_fd(), libc::SOL_NETLINK, name).is_ok_and(|set| set != 0)
        };
        Ok(Client {
            namespace: namespace(&socket)?,
            port,
            pid: self.process(tid),
            may_administer: self.may_administer && process::may_administer(tid).unwrap_or(false),
            cap_ack: set(NETLINK_CAP_ACK),
            ext_ack: set(NETLINK_EXT_ACK),
            socket: socket.into(),
        })
    }

    /// The caller that it passes a socket of, on which an option is read or changed.
    pub(super) fn option_caller(
        &self,
        tid: libc::pid_t,
        descriptor: OwnedFd,
    ) -> Result<OptionCaller> {
        let socket = InternetSocket::recognise(descriptor).ok_or(Errno::EINVAL)?;
        let owner = Owner::of_socket(&socket)?;
        let may = |standing: Standing| standing.may_administer(&owner);
        Ok(OptionCaller {
            namespace: namespace(&socket)?,
            pid: self.process(tid),
            may_administer: self.standing.is_some_and(may) && Standing::of(tid).is_ok_and(may),
            socket: socket.into(),
        })
    }

    /// The process that a thread belongs to, or 0 where its id means nothing here.
    fn process(&self, tid: libc::pid_t) -> libc::pid_t {
        if self.same_process_namespace {
            process::group(tid).unwrap_or(0)
        } else {
            0
        }
    }
}

/// The cookie of the network namespace that a socket is in.
fn namespace(socket: &impl AsFd) -> Result<u64> {
    sys::option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_NETNS_COOKIE).map(u64::from_ne_bytes)
}

/// Whether the process that a pidfd stands for has not ended.
fn lives(pidfd: &OwnedFd) -> Result<bool> {
    let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut ended, PollTimeout::ZERO)? == 0)
}
