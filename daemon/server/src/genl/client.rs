//! Who sent a datagram, and what that client may do and wants to see.

use std::sync::Arc;

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

use super::Wait;
use sockvs_ipvs::{Host, Namespace, Owner};

/// The socket that a datagram came from.
#[derive(Clone)]
pub struct Client {
    /// The network namespace that the socket belongs to.
    pub namespace: Arc<dyn ClientNamespace>,
    /// The socket's port id, where replies go.
    pub port: u32,
    /// The process that sent the datagram, for the log.
    pub pid: i32,
    /// Whether the kernel would let it administer the network (`netlink_capable`): it has
    /// `CAP_NET_ADMIN` in the initial user namespace.
    pub net_admin: bool,
    /// Errors are answered without the request (`NETLINK_CAP_ACK`).
    pub cap_ack: bool,
    /// Errors are answered with an explanation (`NETLINK_EXT_ACK`).
    pub ext_ack: bool,
}

impl Client {
    /// Whether the process has ended. An interceptor may hold the socket open beyond that, so that
    /// sending to it does not tell.
    pub(super) fn is_gone(&self) -> bool {
        self.pid > 0 && kill(Pid::from_raw(self.pid), None) == Err(Errno::ESRCH)
    }
}

/// The network namespace that a client's socket belongs to: what there is in it, and how replies
/// get there. [`NamespaceSockets`](super::NamespaceSockets) is a real one.
pub trait ClientNamespace: Host + Send + Sync {
    /// Which namespace it is.
    fn namespace(&self) -> Namespace;

    /// Whose it is.
    fn owner(&self) -> Owner;

    /// Sends a datagram to a port.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if the client has no room for it; others if nobody will ever take it.
    fn send(&self, port: u32, datagram: &[u8], wait: Wait) -> Result<(), Errno>;

    /// How many datagrams were sent, to whatever port.
    fn sent(&self) -> u64;
}
