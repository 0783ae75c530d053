//! A duplicate of a client's generic netlink socket.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::Result;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, getpeername, getsockname, sendto};

use super::process;

/// The part of the send buffer that the kernel reserves for each datagram.
const OVERHEAD: usize = 32;

/// A netlink socket with the protocol generic netlink.
#[derive(Debug)]
pub(super) struct ClientSocket(OwnedFd);

impl ClientSocket {
    /// Checks the descriptor; returns any other one as an error.
    pub(super) fn recognise(fd: OwnedFd) -> std::result::Result<Self, OwnedFd> {
        let number = |name| sockvs_sys::socket::number_option(fd.as_fd(), libc::SOL_SOCKET, name);
        let ours = number(libc::SO_PROTOCOL) == Ok(libc::NETLINK_GENERIC)
            && number(libc::SO_DOMAIN) == Ok(libc::AF_NETLINK);
        if ours { Ok(Self(fd)) } else { Err(fd) }
    }

    /// The longest datagram that the kernel accepts from it.
    pub(super) fn largest(&self) -> Result<usize> {
        let buffer =
            sockvs_sys::socket::number_option(self.0.as_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF)?;
        Ok(usize::try_from(buffer)
            .unwrap_or(0)
            .saturating_sub(OVERHEAD))
    }

    /// Whether datagrams without an address go to the kernel.
    pub(super) fn faces_kernel(&self) -> bool {
        getpeername::<NetlinkAddr>(self.0.as_raw_fd())
            .is_ok_and(|peer| peer.pid() == 0 && peer.groups() == 0)
    }

    /// The port id; 0 if unbound.
    pub(super) fn port(&self) -> Result<u32> {
        getsockname::<NetlinkAddr>(self.0.as_raw_fd()).map(|name| name.pid())
    }

    /// Makes the socket reachable for senders other than the kernel.
    ///
    /// An unbound socket gets a port id as the kernel would assign it on send: preferably its
    /// process id. A socket that is connected to the kernel only receives from the kernel, so it is
    /// disconnected. Its owner cannot tell, as an unconnected socket also sends to the kernel.
    pub(super) fn make_reachable(&self, owner: libc::pid_t) -> Result<()> {
        let fd = self.0.as_raw_fd();
        let name = getsockname::<NetlinkAddr>(fd)?;
        if name.pid() == 0 {
            let process = process::group(owner).unwrap_or(0);
            let wanted = u32::try_from(process).unwrap_or(0);
            // Binding sets the groups, so the current ones are passed to keep them.
            match bind(fd, &NetlinkAddr::new(wanted, name.groups())) {
                Err(Errno::EADDRINUSE) => bind(fd, &NetlinkAddr::new(0, name.groups()))?,
                result => result?,
            }
        }
        sockvs_sys::socket::disconnect(self.0.as_fd())
    }

    /// Sends to the kernel in the client's place: the kernel's answer goes to the client.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<()> {
        let kernel = NetlinkAddr::new(0, 0);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        sendto(self.0.as_raw_fd(), bytes, &kernel, flags).map(drop)
    }
}

impl AsFd for ClientSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<ClientSocket> for OwnedFd {
    fn from(socket: ClientSocket) -> Self {
        socket.0
    }
}
