//! What the eBPF programs and the daemon agree on: the records in the maps, and how big the maps
//! are.
//!
//! Everything here is plain old data with a fixed layout (`repr(C)`, no padding that is not named),
//! because both sides see the same memory: the daemon maps it, the programs look it up. Nothing
//! here does anything; who may write which field is said at each field.
//!
//! The records are the only copy of what was programmed. A daemon that starts finds them in the
//! pinned maps and takes up where the last one left off.
//!
//! # Maps
//!
//! `ADDRESSES` tells whether an address may be a service's at all. `SERVICES` leads from it to the
//! service's index, and `SHORTCUTS` mostly does, too, in fewer steps. Indexes lead through an array
//! of arrays ("chunks") to a record: `SERVICE_RECORDS`, `DESTINATION_RECORDS` and `SLOTS`. A chunk
//! is made when it is first needed, never moves and is never freed, so a record has one address for
//! its whole life, costs no memory before it is used, and can be changed in place without a system
//! call.
//!
//! `GLOBALS`, `NAMESPACES` and `SYNC_DAEMONS` hold what belongs to no service, `EDIT` what is being
//! edited, `TEMPLATES` which client got which server of a persistent service. `CONNECTIONS` are the
//! open connections, found by their sockets' cookies; where that has no room for one, it is in
//! `OVERFLOW`. `FLOWS` is the same for datagrams of sockets that are not connected, and `SERVERS`
//! tells whether an address may be that of a server that datagrams went to. `SHARES` and `TOTALS`
//! tell how much of `OVERFLOW` and `FLOWS` each user has, and all together.
//!
//! # How an edit becomes visible at once
//!
//! A service has two [`Selection`]s. The one in force is `selections[generation % 2]`. The daemon
//! prepares the other one and then adds one to `generation`. A program reads `generation`, chooses,
//! and reads `generation` again: had it moved, the choice may be made of two halves and is made
//! again. So no `connect(2)` follows half an edit, and none ever waits for a daemon that died.
//!
//! Of what clients configured, a record has one copy. The daemon writes down in `EDIT` what it is
//! about to change there, so that an edit that it does not get to the end of is carried out by the
//! next one.

#![no_std]

#[cfg(feature = "aya")]
extern crate alloc;

mod destination;
mod edit;
mod filter;
mod flow;
mod hash;
#[cfg(feature = "aya")]
pub mod layout;
mod live;
pub mod netlink;
mod owner;
mod selection;
mod service;
mod shortcut;
mod sync_daemon;
mod template;

pub use destination::{Destination, DestinationConfig, recovery_threshold};
pub use edit::{EDIT_DESTINATION, EDIT_NOTHING, EDIT_SERVICE, Edit};
pub use filter::{FILTER_WORDS, FilterPlace};
pub use flow::{
    BEING_READ, CONNECTIONS_PER_GROUP, COUNTED, COUNTED_ACTIVE, COUNTED_INACTIVE, Connection,
    ConnectionGroup, ENDED, FLOWS, Flow, FlowKey, OVER, Origin, OverflowConnection, PLACES,
    REMOVING, UNCOUNTED, connection_index,
};
pub use hash::{MAGLEV_KEY, maglev_hash, source_hash};
pub use live::{
    Carried, Eviction, LIVE_CONNECTED, LIVE_FLOW, LiveConnection, LiveTemplate, SocketLayout,
    TemplateKeys, TemplateResult, WALK_AT_ONCE, WALKERS, WalkKeys, WalkResult,
};
pub use owner::{
    CONNECTIONS_TIMES_FREE, FEW_TEMPLATES, FLOWS_TIMES_FREE, OWNERS, SUPERUSER, Share, Totals,
    may_remember, may_take, owner_of, templates_for_many,
};
pub use selection::{OPTION_FALLBACK, OPTION_PORT, Segment, Selection, SelectionKind};
pub use service::{
    NAME_LEN, Service, ServiceConfig, ServiceKey, TERMS_EXPIRE_QUIESCENT, TERMS_FWMARK,
    TERMS_ONE_PACKET, TERMS_PERSISTENT, Terms,
};
pub use shortcut::{SHORTCUTS, shortcut};
pub use sync_daemon::{SyncDaemon, SyncDaemonKey};
pub use template::{Template, TemplateKey};

/// Services in one chunk of `SERVICE_RECORDS`; a power of two, so that an index splits by shifting.
pub const SERVICES_PER_CHUNK: u32 = 1024;
/// Destinations in one chunk of `DESTINATION_RECORDS`; a power of two.
pub const DESTINATIONS_PER_CHUNK: u32 = 1024;
/// Words in one chunk of `SLOTS`; a power of two.
pub const SLOTS_PER_CHUNK: u32 = 8192;

/// Most chunks of services: one million services.
pub const SERVICE_CHUNKS: u32 = 1024;
/// Most chunks of destinations: eight million destinations.
pub const DESTINATION_CHUNKS: u32 = 8192;
/// Most chunks of slots: 67 million words.
pub const SLOT_CHUNKS: u32 = 8192;

/// Most entries of `SERVICES`, the way from an address to a service.
pub const MAX_SERVICES: u32 = SERVICE_CHUNKS * SERVICES_PER_CHUNK;

/// An address as the records hold it: 16 bytes in network order, read as four native words because
/// that is how the programs' context has them. An IPv4 address is in the first word, the rest zero.
pub type AddressWords = [u32; 4];

/// A record that no service or destination uses.
pub const STATE_FREE: u8 = 0;
/// A record that is in the table.
pub const STATE_LIVE: u8 = 1;

/// `AF_INET`, as the records and the programs' context have it.
pub const AF_INET: u8 = 2;
/// `AF_INET6`, as the records and the programs' context have it.
pub const AF_INET6: u8 = 10;
/// The protocol number of TCP.
pub const IPPROTO_TCP: u8 = 6;
/// The protocol number of UDP.
pub const IPPROTO_UDP: u8 = 17;
/// The port of FTP's control connections.
pub const FTP_PORT: u16 = 21;
/// The third word of an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`), in network order.
pub const V4_MAPPED_WORD: u32 = 0xffff_u32.to_be();

/// What a program knows of all services before it looks for one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// How many services there are for all ports of an address (the kernel's `nullsvc_counter`, of
    /// all namespaces).
    pub all_ports: u32,
    /// How many services there are on the port of FTP (`ftpsvc_counter`).
    pub ftp: u32,
}

/// What is kept of a network namespace besides its services, for the next daemon. The map
/// `NAMESPACES` leads to it from the namespace's cookie.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Only in the layout that tests carry tables over to, and back from.
    #[cfg(feature = "other-layout")]
    pub moved: [u64; 3],
    /// The timeouts of established TCP connections, of those that are ending, and of UDP, in
    /// seconds.
    pub timeouts: [u32; 3],
    /// How many of `settings` there are.
    pub numbers: u32,
    /// The numbers of all settings (`net.ipv4.vs.*`), in the daemon's order.
    pub settings: [i64; 32],
}

/// Most entries of `NAMESPACES`.
pub const MAX_NAMESPACES: u32 = 16384;
/// Most entries of `SYNC_DAEMONS`: each namespace has two at most.
pub const MAX_SYNC_DAEMONS: u32 = 2 * MAX_NAMESPACES;
/// Entries of `CONNECTIONS`, unless the daemon is told that there are fewer connections than that.
pub const CONNECTIONS: u32 = 1 << 16;
/// Most entries of `OVERFLOW`, unless the daemon is told otherwise.
pub const MAX_OVERFLOW: u32 = 1 << 20;
/// Most entries of `FLOWS`, unless the daemon is told otherwise.
pub const MAX_FLOWS: u32 = 1 << 19;
/// Most entries of `TEMPLATES`, unless the daemon is told otherwise.
pub const MAX_TEMPLATES: u32 = 1 << 20;

#[cfg(feature = "aya")]
mod pod {
    // SAFETY: every type is `repr(C)`, `Copy`, made of integers only and has no implicit padding,
    // so every bit pattern is a value and all bytes are initialised.
    unsafe impl aya::Pod for super::ServiceKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Service {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Destination {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Selection {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Terms {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::TemplateKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Template {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Globals {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Namespace {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Edit {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::SyncDaemonKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::SyncDaemon {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::netlink::HookSettings {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::SocketLayout {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::LiveConnection {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::LiveTemplate {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::FlowKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Flow {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::OverflowConnection {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::WalkKeys {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::WalkResult {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::TemplateKeys {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::TemplateResult {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Eviction {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Share {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Totals {}
}
