//! Classifies an IPv6 address by its bits alone (`__ipv6_addr_type` in `net/ipv6/addrconf_core.c`).
//! Routes are not consulted; [`Host`](super::Host) does that.

use std::net::Ipv6Addr;

/// The kinds that the IPVS rules distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ipv6Kind {
    /// `::`
    Unspecified,
    /// `::1`
    Loopback,
    /// `fe80::/10`
    LinkLocal,
    /// `ff00::/8`
    Multicast,
    /// `::ffff:0:0/96`, which the kernel does not count as unicast.
    V4Mapped,
    /// All others, including site-local, unique-local and IPv4-compatible ones.
    Unicast,
}

impl Ipv6Kind {
    /// The kind of this address.
    pub fn of(addr: Ipv6Addr) -> Self {
        if addr.is_multicast() {
            Self::Multicast
        } else if addr.is_unicast_link_local() {
            Self::LinkLocal
        } else if addr.is_unspecified() {
            Self::Unspecified
        } else if addr.is_loopback() {
            Self::Loopback
        } else if addr.to_ipv4_mapped().is_some() {
            Self::V4Mapped
        } else {
            Self::Unicast
        }
    }

    /// Whether a destination may have such an address if it is not local (`ip_vs_new_dest`):
    /// unicast, and not link-local.
    pub fn is_reachable_unicast(self) -> bool {
        matches!(self, Self::Unicast | Self::Loopback)
    }
}
