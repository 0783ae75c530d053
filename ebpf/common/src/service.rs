//! A service's record: its key, its configuration, its selections and scheduling parameters.

use crate::{AF_INET, AddressWords, Selection};

/// The address of a service. The key of the map `SERVICES`.
///
/// A service for every port has port zero. One for a firewall mark has protocol and port zero, and
/// the mark, in host order, as the address's first word.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceKey {
    /// The network namespace's cookie.
    pub netns: u64,
    /// The virtual address.
    pub address: AddressWords,
    /// The virtual port, network order.
    pub port: u16,
    /// The protocol's number.
    pub protocol: u8,
    /// `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// Zero: a map compares keys byte by byte.
    pub zero: u32,
}

/// A service's scheduling parameters.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedParams {
    /// `SCHED_*`.
    pub flags: u32,
    /// The persistence timeout, in jiffies; see [`SCHED_PERSISTENT`].
    pub jiffies: u32,
    /// Which bits of clients' addresses make a difference there: a mask in network order for IPv4,
    /// and for IPv6 the number of bits.
    pub netmask: u32,
}

/// How long a jiffy is, in nanoseconds, as the kernels of distributions have it.
const JIFFY: u64 = 1_000_000_000 / 250;

impl SchedParams {
    /// The persistence timeout, in nanoseconds.
    #[must_use]
    #[inline(always)]
    pub const fn persistence(jiffies: u32) -> u64 {
        jiffies as u64 * JIFFY
    }

    /// An address of this family under a netmask.
    #[must_use]
    #[inline(always)]
    pub const fn masked(address: AddressWords, family: u8, netmask: u32) -> AddressWords {
        if family == AF_INET {
            return [address[0] & netmask, 0, 0, 0];
        }
        [
            address[0] & leading(netmask),
            address[1] & leading(netmask.saturating_sub(32)),
            address[2] & leading(netmask.saturating_sub(64)),
            address[3] & leading(netmask.saturating_sub(96)),
        ]
    }
}

/// A word in network order of which so many bits are set.
#[inline(always)]
const fn leading(bits: u32) -> u32 {
    match bits {
        0 => 0,
        1..32 => (u32::MAX << (32 - bits)).to_be(),
        _ => u32::MAX,
    }
}

/// A client that returns gets the same server (`IP_VS_SVC_F_PERSISTENT`).
pub const SCHED_PERSISTENT: u32 = 1;
/// Each datagram is scheduled by itself (`IP_VS_SVC_F_ONEPACKET`).
pub const SCHED_ONE_PACKET: u32 = 2;
/// The service is for a firewall mark.
pub const SCHED_FWMARK: u32 = 4;
/// A template that leads to a server of weight zero is invalid (`expire_quiescent_template`).
pub const SCHED_EXPIRE_QUIESCENT: u32 = 8;

/// What a client configured beyond the key. Not read by the programs; kept for the next daemon.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceConfig {
    /// The scheduler's name, padded with zeros.
    pub scheduler: [u8; NAME_LEN],
    /// The persistence engine's name, padded with zeros; empty if there is none.
    pub persistence_engine: [u8; NAME_LEN],
    /// The service flags (`IP_VS_SVC_F_*`).
    pub flags: u32,
    /// The persistence timeout in seconds.
    pub timeout: u32,
    /// The persistence netmask as it came, or the prefix length for IPv6.
    pub netmask: u32,
}

/// Room for the name of a scheduler or a persistence engine, which all are shorter.
pub const NAME_LEN: usize = 8;

/// A service.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Service {
    /// Only in the layout that tests carry tables over to, and back from.
    #[cfg(feature = "other-layout")]
    pub moved: [u64; 3],
    /// The key. Written before the service is entered in `SERVICES`; a program compares it, because
    /// an entry may be reused while the program reads it.
    pub key: ServiceKey,
    /// Which selection is in force: `selections[generation % 2]`. Only ever grows, also when the
    /// record is used for another service. Written by the daemon.
    pub generation: u64,
    /// The selection in force and the one that the daemon prepares.
    pub selections: [Selection; 2],
    /// The parameters in force and those that the daemon prepares, by the same index as selections.
    pub params: [SchedParams; 2],
    /// After this many nanoseconds without a datagram a socket may get another server for its next
    /// one. Written by the daemon.
    pub udp_timeout: u64,
    /// Connections that were sent to a server. Counted by the programs, as all up to `outbytes`;
    /// see the destination's fields of the same names.
    pub conns: u64,
    /// Packets that ended connections sent.
    pub inpkts: u64,
    /// Packets that ended connections received.
    pub outpkts: u64,
    /// Bytes of data that ended connections sent.
    pub inbytes: u64,
    /// Bytes of data that ended connections received.
    pub outbytes: u64,
    /// The service's number in the order in which services were added.
    pub born: u64,
    /// See [`ServiceConfig`], as the fields of the same names below. Written by the daemon, which
    /// records what it is about to write before ([`crate::Edit`]).
    pub scheduler: [u8; NAME_LEN],
    /// As above.
    pub persistence_engine: [u8; NAME_LEN],
    /// As above.
    pub flags: u32,
    /// As above.
    pub timeout: u32,
    /// As above.
    pub netmask: u32,
    /// The protocol in full: a client may name one that no packet carries. TCP's for a firewall
    /// mark.
    pub protocol: u16,
    /// `STATE_FREE` or `STATE_LIVE`. Written by the daemon.
    pub state: u8,
    /// Zero.
    pub zero: u8,
    /// Which use of the record this is; see the destination's field of that name.
    pub use_number: u32,
    /// How many templates it has. Counted up by the programs; the daemon, which removes
    /// templates, counts down.
    pub templates: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AF_INET6;

    fn masked(netmask: u32) -> [u32; 4] {
        SchedParams::masked([u32::MAX; 4], AF_INET6, netmask).map(u32::from_be)
    }

    #[test]
    fn a_prefix_is_a_mask() {
        assert_eq!(masked(128), [u32::MAX; 4]);
        assert_eq!(masked(65), [u32::MAX, u32::MAX, 0x8000_0000, 0]);
        assert_eq!(masked(64), [u32::MAX, u32::MAX, 0, 0]);
        assert_eq!(masked(1), [0x8000_0000, 0, 0, 0]);
        let v4 = [0x0102_0304, 5, 6, 7];
        assert_eq!(
            SchedParams::masked(v4, AF_INET, 0x00ff_ff00),
            [0x0002_0300, 0, 0, 0]
        );
    }

    #[test]
    #[cfg(not(feature = "other-layout"))]
    fn records_are_short() {
        assert_eq!(size_of::<Service>(), 256);
        assert_eq!(size_of::<crate::Destination>(), 120);
    }
}
