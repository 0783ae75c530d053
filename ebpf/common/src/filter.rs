//! A filter of addresses that may be services': a bit for each, which several addresses may share.
//!
//! Most sockets connect to no service, which this filter detects without a look-up. The map is
//! `VIP_FILTER`: 64 bits in each word. `SERVERS` is the same for the servers that datagrams were
//! ever sent to.

use crate::AddressWords;

/// The logarithm of the number of bits.
const BITS: u32 = 20;

/// How many words the filter has.
pub const FILTER_WORDS: u32 = 1 << (BITS - 6);

/// An address's bit in the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterBit(u32);

impl FilterBit {
    /// The bit of an address that is not IPv4-mapped.
    #[must_use]
    #[inline(always)]
    pub const fn of([a, b, c, d]: &AddressWords) -> Self {
        // Addresses of one kind differ in few bits: the product brings them to the front.
        Self((*a ^ *b ^ *c ^ *d).wrapping_mul(0x9e37_79b1) >> (32 - BITS))
    }

    /// Which word of the filter it is in.
    #[must_use]
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.0 >> 6
    }

    /// The mask of the bit in that word.
    #[must_use]
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        1 << (self.0 & 63)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_within_the_filter() {
        for word in [0, 1, 0x0100_000a, u32::MAX] {
            let place = FilterBit::of(&[word, 0, 0, !word]);
            assert!(place.word() < FILTER_WORDS, "{word:#x}");
            assert_eq!(place.mask().count_ones(), 1, "{word:#x}");
        }
    }

    #[test]
    fn neighbours_do_not_share_a_place() {
        let places = (0..1000_u32).map(|host| {
            let place = FilterBit::of(&[(0x0a00_0000 + host).to_be(), 0, 0, 0]);
            (place.word(), place.mask())
        });
        let mut places: [(u32, u64); 1000] = {
            let mut all = [(0, 0); 1000];
            for (to, place) in all.iter_mut().zip(places) {
                *to = place;
            }
            all
        };
        places.sort_unstable();
        let shared = places.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(shared < 5, "{shared} of 1000 share a place");
    }
}
