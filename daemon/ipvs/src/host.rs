//! What the rules ask about the machine: the namespace's addresses and interfaces. Answering takes
//! system calls, so that is done elsewhere.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::SyncDaemon;

/// The network namespace that a table belongs to.
pub trait Host {
    /// What the local routing table calls this address (`inet_addr_type`).
    ///
    /// Ask [`RouteType::of_bits`] first: for some addresses the kernel asks no table.
    fn address_type(&self, addr: Ipv4Addr) -> RouteType;

    /// Whether packets to this address stay on the machine (`__ip_vs_addr_is_local_v6`): there is
    /// a route, and it leads to a loopback interface.
    fn is_local_v6(&self, addr: Ipv6Addr) -> bool;

    /// The interface's MTU in bytes, or `None` when there is no interface of this name. The name
    /// comes without its terminating NUL.
    fn interface_mtu(&self, name: &[u8]) -> Option<u32>;

    /// Whether this sync daemon's socket can be opened (`make_send_sock`, `make_receive_sock`); if
    /// not, the error number. It can, as far as a host that has no sockets knows.
    fn open_sync_socket(&self, _daemon: &SyncDaemon) -> Result<(), i32> {
        Ok(())
    }
}

/// The types of IPv4 addresses (`RTN_UNICAST` and so on).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteType {
    /// An address somewhere else; also one that the local table does not know.
    Unicast,
    /// An address of this namespace.
    Local,
    /// A broadcast address; also 0.0.0.0.
    Broadcast,
    /// A multicast address.
    Multicast,
}

impl RouteType {
    /// The type of an address whose bits already say it (`__inet_dev_addr_type`); `None` when the
    /// local routing table has to be asked.
    pub fn of_bits(addr: Ipv4Addr) -> Option<Self> {
        if addr.is_unspecified() || addr.is_broadcast() {
            Some(Self::Broadcast)
        } else if addr.is_multicast() {
            Some(Self::Multicast)
        } else {
            None
        }
    }
}
