//! The service cache: the map `SERVICE_CACHE`, in which an index computed from the key holds the
//! index of one service, plus one. Of services that share an index, all but the first are found in
//! the map `SERVICES` only.

use crate::ServiceKey;

/// The logarithm of the number of indexes.
const BITS: u32 = 16;

/// How many indexes there are.
pub const SERVICE_CACHE_LEN: u32 = 1 << BITS;

/// The index of a service in the cache.
#[must_use]
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "cookies of namespaces are small numbers"
)]
pub const fn service_cache_index(key: &ServiceKey) -> u32 {
    let [a, b, c, d] = key.address;
    let rest = (key.netns as u32) << 12 ^ (key.port as u32) << 8 ^ key.protocol as u32;
    // As in the filter; what the rest differs in is spread over all bits first.
    let mixed = (a ^ b ^ c ^ d).wrapping_mul(0x9e37_79b1) ^ rest.wrapping_mul(0x85eb_ca6b);
    mixed >> (32 - BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AF_INET, IPPROTO_TCP, IPPROTO_UDP};

    fn key(netns: u64, address: u32, port: u16, protocol: u8) -> ServiceKey {
        ServiceKey {
            netns,
            address: [address.to_be(), 0, 0, 0],
            port: port.to_be(),
            protocol,
            family: AF_INET,
            zero: 0,
        }
    }

    #[test]
    fn services_that_differ_in_anything_mostly_have_places_of_their_own() {
        let mut places = [0; 512];
        for (nth, place) in (0..512_u32).zip(&mut places) {
            let port = 80 + u16::try_from(nth >> 1 & 3).expect("two bits");
            let protocol = if nth & 1 == 0 {
                IPPROTO_TCP
            } else {
                IPPROTO_UDP
            };
            let netns = u64::from(1 + (nth >> 3 & 3));
            *place = service_cache_index(&key(netns, 0x0a09_0000 + (nth >> 5), port, protocol));
            assert!(*place < SERVICE_CACHE_LEN, "{place}");
        }
        places.sort_unstable();
        let shared = places.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(shared < 8, "{shared} of 512 share a place");
    }
}
