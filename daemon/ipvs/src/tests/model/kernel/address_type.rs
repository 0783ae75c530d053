//! Classifies an address like `__ipv6_addr_type`: word by word.

use std::net::{IpAddr, Ipv6Addr};

fn words(address: Ipv6Addr) -> [u32; 4] {
    let bits = address.to_bits();
    [96, 64, 32, 0].map(|shift| u32::try_from(bits >> shift & 0xffff_ffff).unwrap())
}

/// `IPV6_ADDR_UNICAST`
pub(super) fn is_unicast(address: Ipv6Addr) -> bool {
    let words = words(address);
    let first = words[0];
    if first & 0xe000_0000 != 0 && first & 0xe000_0000 != 0xe000_0000 {
        return true;
    }
    if first & 0xff00_0000 == 0xff00_0000 {
        return false;
    }
    if words[0] == 0 && words[1] == 0 {
        return match (words[2], words[3]) {
            // IPV6_ADDR_ANY
            (0, 0) => false,
            // IPV6_ADDR_MAPPED
            (0xffff, _) => false,
            _ => true,
        };
    }
    true
}

/// `IPV6_ADDR_LINKLOCAL`
pub(super) fn is_link_local(address: Ipv6Addr) -> bool {
    words(address)[0] & 0xffc0_0000 == 0xfe80_0000
}

/// `ipv4_is_multicast`, `IPV6_ADDR_MULTICAST`
pub(super) fn is_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] >> 4 == 0xe,
        IpAddr::V6(address) => address.octets()[0] == 0xff,
    }
}
