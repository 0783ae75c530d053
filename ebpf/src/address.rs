//! Addresses as socket calls and records have them.

use sockvs_ebpf_common::{AF_INET, AF_INET6, AddressWords, V4_MAPPED_WORD};

/// An address and a port.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint {
    /// As in the records: an IPv4 address is in the first word, unless it is IPv4-mapped.
    pub(crate) address: AddressWords,
    /// Network order.
    pub(crate) port: u16,
}

impl Endpoint {
    /// Whether it is the same. (Word by word: the derived comparison becomes a call to `memcmp`.)
    #[inline(always)]
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.port == other.port
            && self.address[0] == other.address[0]
            && self.address[1] == other.address[1]
            && self.address[2] == other.address[2]
            && self.address[3] == other.address[3]
    }

    /// The family, and the endpoint as services and destinations have it: not IPv4-mapped.
    #[inline(always)]
    pub(crate) fn unmapped(&self) -> (u8, Self) {
        let (family, address) = if is_v4_mapped(&self.address) {
            (AF_INET, [self.address[3], 0, 0, 0])
        } else {
            (AF_INET6, self.address)
        };
        let port = self.port;
        (family, Self { address, port })
    }
}

/// The client of a connection, as far as it is known before the connection is made.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    /// The address that the socket is bound to, folded to 32 bits in host order; of a socket that
    /// is not bound, a value derived from its network namespace.
    pub(crate) address: u32,
    /// The port that the socket is bound to, host order, or zero.
    pub(crate) port: u16,
}

/// Whether an IPv6 address is an IPv4-mapped one.
#[inline(always)]
pub(crate) fn is_v4_mapped(address: &AddressWords) -> bool {
    address[0] == 0 && address[1] == 0 && address[2] == V4_MAPPED_WORD
}

/// An address as services and destinations have it: not IPv4-mapped.
#[inline(always)]
pub(crate) fn unmapped(address: &AddressWords) -> AddressWords {
    if is_v4_mapped(address) {
        [address[3], 0, 0, 0]
    } else {
        *address
    }
}

/// An IPv4 address as an IPv6 socket has it.
#[inline(always)]
pub(crate) fn to_v4_mapped(address: u32) -> AddressWords {
    [0, 0, V4_MAPPED_WORD, address]
}
