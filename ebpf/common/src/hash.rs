//! The hash functions of the kernel's hashing schedulers. The daemon lays out tables by them, and
//! the programs find clients' places.

/// The key of `mh`'s first hash function (`generate_hash_secret`).
pub const MAGLEV_KEY: u64 = 2_654_435_761;

/// The logarithm of the size of `sh`'s table (`IP_VS_SH_TAB_BITS`).
const SOURCE_TABLE_BITS: u32 = 8;

/// A client's place in the table of `sh` (`ip_vs_sh_hashkey`), or of `dh`, which hashes the same
/// way.
#[must_use]
#[inline(always)]
pub const fn source_hash(client: u32) -> u32 {
    // `hash_32` of `linux/hash.h`.
    client.wrapping_mul(0x61c8_8647) >> (32 - SOURCE_TABLE_BITS)
}

/// What `mh` makes of a client or a server (`ip_vs_mh_hashkey`): SipHash-1-3 of four bytes, with a
/// key whose halves are equal (`hsiphash` on 64-bit machines).
#[must_use]
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the hash is the lower half"
)]
pub const fn maglev_hash(value: u32, key: u64) -> u32 {
    let mut v = [
        0x736f_6d65_7073_6575 ^ key,
        0x646f_7261_6e64_6f6d ^ key,
        0x6c79_6765_6e65_7261 ^ key,
        0x7465_6462_7974_6573 ^ key,
    ];
    let block = (4 << 56) | value as u64;
    v[3] ^= block;
    v = round(v);
    v[0] ^= block;
    v[2] ^= 0xff;
    v = round(round(round(v)));
    (v[0] ^ v[1] ^ v[2] ^ v[3]) as u32
}

#[inline(always)]
const fn round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::hash::Hasher as _;
    use std::hash::DefaultHasher;

    use super::*;

    #[test]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the hash is the lower half"
    )]
    fn maglev_hash_is_siphash_1_3() {
        for value in [0, 1, 0x7f00_0001, u32::MAX] {
            let mut reference = DefaultHasher::new();
            reference.write(&value.to_le_bytes());
            assert_eq!(
                maglev_hash(value, 0),
                reference.finish() as u32,
                "{value:#x}"
            );
        }
    }

    #[test]
    fn hashes_depend_on_their_key() {
        assert_eq!(maglev_hash(0x0a00_0001, MAGLEV_KEY), 0x0308_0ce4);
        assert_eq!(maglev_hash(0x7f00_0001, MAGLEV_KEY), 0x168f_dc4d);
    }

    #[test]
    fn source_hash_stays_within_the_table() {
        assert_eq!(source_hash(0), 0);
        assert_eq!(source_hash(1), 0x61);
        assert!(source_hash(u32::MAX) < 256);
    }
}
