//! Determines who sent a request. It trusts neither the supervisor nor the client, only the kernel:
//! the socket and /proc.
//!
//! Netlink requires CAP_NET_ADMIN in the initial user namespace, which is assumed to be ours;
//! socket options require it in the user namespace that owns the socket's network namespace.

use std::os::fd::{AsFd, OwnedFd};

use nix::Result;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::credentials::{Credentials, Owner};
use sockvs_server::genl::Sender;

use super::relay::Peer;
use super::{Client, OptionCaller, process, socket::ClientSocket};

/// `getsockopt` on a netlink socket.
const NETLINK_CAP_ACK: libc::c_int = 10;
const NETLINK_EXT_ACK: libc::c_int = 11;

/// A supervisor, by the credentials of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Supervisor {
    /// Its user.
    pub(super) uid: libc::uid_t,
    /// Its thread ids are in our PID namespace.
    same_process_namespace: bool,
    net_admin: bool,
    standing: Option<Credentials>,
}

impl Supervisor {
    /// The supervisor that the relay reported.
    pub(super) fn of(peer: &Peer) -> Result<Self> {
        let Peer { uid, pid, pidfd } = peer;
        let (uid, pid) = (*uid, *pid);
        let own = process::own_pid();
        let same_process_namespace = match process::namespace(pid, "pid") {
            Ok(theirs) => theirs == process::namespace(own, "pid")?,
            Err(_) => false,
        };
        let net_admin = process::net_admin(pid).unwrap_or(false);
        let standing = Credentials::of(pid).ok();
        // The data read is about the supervisor if it is still alive now. Without a pidfd (before
        // Linux 6.5) its process id may have been reused, so only root is trusted.
        let certain = match pidfd {
            Some(pidfd) => lives(pidfd)?,
            None => uid == 0,
        };
        Ok(Self {
            uid,
            same_process_namespace: same_process_namespace && certain,
            net_admin: same_process_namespace && net_admin && certain,
            standing: standing.filter(|_| same_process_namespace && certain),
        })
    }

    /// The client whose socket the supervisor passed.
    pub(super) fn client(&self, tid: libc::pid_t, descriptor: OwnedFd) -> Result<Client> {
        let socket = ClientSocket::recognise(descriptor).map_err(|_| Errno::EINVAL)?;
        let port = socket.port()?;
        if port == 0 {
            return Err(Errno::EINVAL);
        }
        let set = |name| {
            sockvs_sys::socket::number_option(socket.as_fd(), libc::SOL_NETLINK, name)
                .is_ok_and(|set| set != 0)
        };
        Ok(Client {
            namespace: namespace(&socket)?,
            sender: Sender {
                port,
                pid: self.process(tid),
                net_admin: self.net_admin && process::net_admin(tid).unwrap_or(false),
                cap_ack: set(NETLINK_CAP_ACK),
                ext_ack: set(NETLINK_EXT_ACK),
            },
            socket: socket.into(),
        })
    }

    /// The process that reads or changes an option of a socket in this network namespace.
    pub(super) fn option_caller(
        &self,
        tid: libc::pid_t,
        cookie: u64,
        netns: OwnedFd,
    ) -> Result<OptionCaller> {
        let owner = Owner::of_network(netns.as_fd())?;
        let may = |standing: Credentials| standing.net_admin(&owner);
        Ok(OptionCaller {
            namespace: cookie,
            pid: self.process(tid),
            net_admin: self.standing.is_some_and(may) && Credentials::of(tid).is_ok_and(may),
            netns,
        })
    }

    /// Whether it acts for administrators of this machine, whose requests have priority.
    pub(super) fn goes_first(&self) -> bool {
        self.uid == 0 || self.net_admin
    }

    /// The process of a thread, or 0 if its id is in another PID namespace.
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
    sockvs_sys::socket::option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_NETNS_COOKIE)
        .map(u64::from_ne_bytes)
}

/// Whether the process of a pidfd has not ended.
fn lives(pidfd: &OwnedFd) -> Result<bool> {
    let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut ended, PollTimeout::ZERO)? == 0)
}
