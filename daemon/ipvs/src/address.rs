//! What kind of IPv6 address one is, by its bits alone (`__ipv6_addr_type` in
//! `net/ipv6/addrconf_core.c`). No routes are asked; [`Host`](super::Host) does that.

use std::net::Ipv6Addr;

/// The kinds that the IPVS rules tell apart.
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
    /// All others, site-local, unique-local and IPv4-compatible ones among them.
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

    /// Whether a destination may have such an address even when it is not local
    /// (`ip_vs_new_dest`): unicast, and not of one link only.
    pub fn is_reachable_unicast(self) -> bool {
        matches!(self, Self::Unicast | Self::Loopback)
    }
}
