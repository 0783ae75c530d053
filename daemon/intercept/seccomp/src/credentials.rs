//! Checks the capabilities of a process in a network namespace that belongs to its own or another
//! user namespace (`cap_capable` in `security/commoncap.c`).

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use nix::Result;
use nix::sys::stat::fstat;

use super::process::{self, Namespace};
use sockvs_sys::netns;

/// The user namespace that owns a network namespace.
pub(super) struct Owner(OwnedFd);

impl Owner {
    /// The owner of a network namespace.
    pub(super) fn of_network(network: BorrowedFd<'_>) -> Result<Self> {
        netns::user_namespace_of(network).map(Self)
    }
}

/// A process's user namespace, user and capability.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credentials {
    user: libc::uid_t,
    namespace: Namespace,
    net_admin: bool,
}

impl Credentials {
    /// The current credentials of a thread.
    pub(super) fn of(tid: libc::pid_t) -> Result<Self> {
        // The capabilities are read first: a process that enters a descendant user namespace gets
        // all of them there.
        let (user, net_admin) = process::user_and_capability(tid)?;
        Ok(Self {
            user,
            namespace: process::namespace(tid, "user")?,
            net_admin,
        })
    }

    /// Whether it has CAP_NET_ADMIN over `owner`. In its own user namespace it needs the
    /// capability; in descendants it has all capabilities if it is the user who created them or has
    /// the capability here.
    pub(super) fn net_admin(self, owner: &Owner) -> bool {
        let Ok(mut namespace) = owner.0.try_clone() else {
            return false;
        };
        loop {
            let Ok(found) = fstat(&namespace) else {
                return false;
            };
            if Namespace::from(found) == self.namespace {
                return self.net_admin;
            }
            // The first one has no parent, and parents of our own are not visible.
            let Ok(parent) = netns::parent_of(namespace.as_fd()) else {
                return false;
            };
            let is_maker = fstat(&parent).is_ok_and(|it| Namespace::from(it) == self.namespace)
                && netns::maker_of(namespace.as_fd()) == Ok(self.user);
            if is_maker {
                return true;
            }
            namespace = parent;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use sockvs_sys::netns::of_socket;

    fn owner_of_own() -> Owner {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let network = of_socket(socket.as_fd()).unwrap();
        Owner::of_network(network.as_fd()).unwrap()
    }

    #[test]
    fn root_has_net_admin_in_its_own_namespace() {
        let owner = owner_of_own();
        let mut standing = Credentials::of(process::own_pid()).unwrap();
        assert!(standing.net_admin(&owner));
        standing.net_admin = false;
        assert!(!standing.net_admin(&owner));
    }

    #[test]
    fn a_process_in_an_unrelated_user_namespace_lacks_net_admin() {
        let owner = owner_of_own();
        let elsewhere = Credentials {
            user: 0,
            namespace: process::namespace(process::own_pid(), "net").unwrap(),
            net_admin: true,
        };
        assert!(!elsewhere.net_admin(&owner));
    }
}
