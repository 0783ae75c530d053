//! A service's record: its key, its configuration and what new connections follow.

use crate::{AddressWords, Selection};

/// Where a connection must be going to belong to a service. The key of the map `SERVICES`.
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

/// What a client configured beyond the key. Not read by the programs; kept for the next daemon.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceConfig {
    /// The scheduler's name, padded with zeros (`IP_VS_SCHEDNAME_MAXLEN`).
    pub scheduler: [u8; 16],
    /// The persistence engine's name, padded with zeros; empty if there is none.
    pub persistence_engine: [u8; 16],
    /// The service flags (`IP_VS_SVC_F_*`).
    pub flags: u32,
    /// The persistence timeout as the kernel keeps it, in jiffies.
    pub timeout: u32,
    /// The persistence netmask as it came, or the prefix length for IPv6.
    pub netmask: u32,
    /// The firewall mark, or zero for a service that is known by its address.
    pub fwmark: u32,
    /// The protocol in full: a client may name one that no packet carries.
    pub protocol: u32,
    /// Zero.
    pub zero: u32,
}

/// A service.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Service {
    /// The key. Written before the service is entered in `SERVICES`; a program compares it, because
    /// an entry may be reused while the program looks at it.
    pub key: ServiceKey,
    /// Which selection is in force: `selections[generation % 2]`. Only ever grows, also when the
    /// record is used for another service. Written by the daemon.
    pub generation: u64,
    /// The selection in force and the one that the daemon prepares.
    pub selections: [Selection; 2],
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
    /// `STATE_FREE` or `STATE_LIVE`. Written by the daemon.
    pub state: u32,
    /// Which of the two configurations holds: `configs[config % 2]`. Written by the daemon.
    pub config: u32,
    /// The service's number in the order in which services were added.
    pub born: u64,
    /// The configuration that holds and the one that is being written.
    pub configs: [ServiceConfig; 2],
}
