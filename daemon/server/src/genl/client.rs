//! The sender of a datagram: its socket, its privileges and its netlink options.

use std::sync::Arc;

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

use super::Wait;
use sockvs_ipvs::{Host, Namespace, Owner};

/// Who sent a datagram, as an interceptor finds it out from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The socket's port id (`nl_pid`), where replies go.
    pub port: u32,
    /// The process, as the daemon numbers it; 0 if it is in another PID namespace.
    pub pid: i32,
    /// Whether the process passes `netlink_capable`: it has `CAP_NET_ADMIN` in the initial user
    /// namespace.
    pub net_admin: bool,
    /// Whether errors omit the request (`NETLINK_CAP_ACK`).
    pub cap_ack: bool,
    /// Whether errors carry an explanation (`NETLINK_EXT_ACK`).
    pub ext_ack: bool,
}

/// The sender of a datagram, and the network namespace that its socket belongs to.
#[derive(Clone)]
pub struct Client {
    /// The namespace.
    pub namespace: Arc<dyn ClientNamespace>,
    /// The sender.
    pub sender: Sender,
}

impl Client {
    /// Whether the process has ended. An interceptor may keep the socket open after that, so
    /// sending to the socket does not fail.
    pub(super) fn is_gone(&self) -> bool {
        self.sender.pid > 0 && kill(Pid::from_raw(self.sender.pid), None) == Err(Errno::ESRCH)
    }
}

/// The network namespace of a client's socket: its addresses and interfaces, and how replies are
/// sent to it. [`NamespaceSockets`](super::NamespaceSockets) implements this with sockets in the
/// namespace.
pub trait ClientNamespace: Host + Send + Sync {
    /// The namespace.
    fn namespace(&self) -> Namespace;

    /// The namespace's owner.
    fn owner(&self) -> Owner;

    /// Sends a datagram to a port.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if the client's receive buffer is full; any other error is permanent.
    fn send(&self, port: u32, datagram: &[u8], wait: Wait) -> Result<(), Errno>;

    /// How many datagrams were sent in this namespace, to any port.
    fn sent(&self) -> u64;
}
