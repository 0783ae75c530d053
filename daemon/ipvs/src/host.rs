//! The rules' interface to the machine: the namespace's addresses and interfaces. Implementations
//! make system calls, so they are outside of this crate.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::SyncDaemon;

/// The network namespace that a table belongs to.
pub trait Host {
    /// The type of this address in the local routing table (`inet_addr_type`).
    ///
    /// Call [`RouteType::of_bits`] first: for some addresses the kernel does not consult a table.
    fn address_type(&self, addr: Ipv4Addr) -> RouteType;

    /// Whether packets to this address stay on the machine (`__ip_vs_addr_is_local_v6`): there is
    /// a route, and it leads to a loopback interface.
    fn is_local_v6(&self, addr: Ipv6Addr) -> bool;

    /// The interface's MTU in bytes, or `None` if there is no interface of this name. The name has
    /// no terminating NUL.
    fn interface_mtu(&self, name: &[u8]) -> Option<u32>;

    /// Checks whether this sync daemon's socket can be opened (`make_send_sock`,
    /// `make_receive_sock`); if not, returns the error number. A host without sockets always
    /// succeeds.
    fn open_sync_socket(&self, _daemon: &SyncDaemon) -> Result<(), i32> {
        Ok(())
    }
}

/// The types of IPv4 addresses (`RTN_UNICAST` and so on).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteType {
    /// An address of another machine, or one that is not in the local table.
    Unicast,
    /// An address of this namespace.
    Local,
    /// A broadcast address; also 0.0.0.0.
    Broadcast,
    /// A multicast address.
    Multicast,
}

impl RouteType {
    /// The type of an address that is determined by its bits (`__inet_dev_addr_type`); `None` if it
    /// requires the local routing table.
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
