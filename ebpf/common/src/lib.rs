//! What the eBPF programs and the daemon share: the records in the maps, and the sizes of the maps.
//!
//! Everything here is plain old data with a fixed layout (`repr(C)`, no padding that is not named),
//! because both sides see the same memory: the daemon maps it, the programs look it up. Nothing
//! here does anything; who may write which field is said at each field.
//!
//! The records are the only copy of the IPVS table. A daemon that starts finds them in the pinned
//! maps and continues where the previous one stopped.
//!
//! Maps that are pinned, and the fields of their records, have two names where one was changed: the
//! Rust name, and the one that `layout` gives other versions.
//!
//! # Maps
//!
//! `VIP_FILTER` says whether an address may be a service's at all. `SERVICES` maps it to the
//! service's index, and `SERVICE_CACHE` does so for most services in fewer steps. Indexes lead
//! through an array of arrays ("chunks") to a record: `SERVICE_RECORDS`, `DESTINATION_RECORDS` and
//! `SLOTS`. A chunk is created when it is first needed, never moves and is never freed, so a record
//! has one address for its whole life, costs no memory before it is used, and can be changed in
//! place without a system call.
//!
//! `GLOBALS`, `NAMESPACES` and `SYNC_DAEMONS` hold what belongs to no service, `EDIT` the edit in
//! progress, `TEMPLATES` the destinations of a persistent service's clients. `CONNECTIONS` are the
//! open connections, found by their sockets' cookies; where that has no room for one, it is in
//! `OVERFLOW`. `FLOWS` is the same for datagrams of sockets that are not connected, and `SERVERS`
//! says whether datagrams may have been sent to a server with an address. `SHARES` and `TOTALS`
//! count the entries of `OVERFLOW` and `FLOWS` of each user and of all.
//!
//! # Edits are atomic
//!
//! A service has two [`Selection`]s. The one in force is `selections[generation % 2]`. The daemon
//! prepares the other one and then adds one to `generation`. A program reads `generation`, chooses,
//! and reads `generation` again: if it has changed, the choice may be made of two halves and is
//! repeated. So no `connect(2)` follows half an edit, and none ever waits for a daemon that died.
//!
//! Of what clients configured, a record has one copy. The daemon records in `EDIT` what it is
//! about to change there, so that the next daemon completes an edit that was interrupted.

#![no_std]

#[cfg(feature = "aya")]
extern crate alloc;

mod connection;
mod destination;
mod edit;
mod filter;
mod hash;
#[cfg(feature = "aya")]
pub mod layout;
mod live;
pub mod netlink;
mod owner;
mod selection;
mod service;
mod service_cache;
mod sync_daemon;
mod template;

pub use connection::{
    CLOSED, CONNECTIONS_PER_GROUP, COUNT_MASK, COUNTED_ACTIVE, COUNTED_INACTIVE, ConnTuple,
    Connection, ConnectionGroup, FLOWS, FREE_WHEN_READ, Flow, FlowKey, MAX_PROBES,
    OverflowConnection, READ_LOCKED, REMOVING, UNCOUNTED, connection_index,
};
pub use destination::{Destination, DestinationConfig, recovery_threshold};
pub use edit::{EDIT_DESTINATION, EDIT_NONE, EDIT_SERVICE, Edit};
pub use filter::{FILTER_WORDS, FilterBit};
pub use hash::{MAGLEV_KEY, maglev_hash, source_hash};
pub use live::{
    Eviction, LIVE_CONNECTED, LIVE_FLOW, LiveConnection, LiveTemplate, MAX_WALKERS, SocketLayout,
    TcpCounters, TemplateKeys, TemplateResult, WALK_BATCH, WalkKeys, WalkResult,
};
pub use owner::{
    CONNECTIONS_SHARE_FACTOR, FLOWS_SHARE_FACTOR, OWNERS, RESERVED_TEMPLATES, SUPERUSER, Share,
    Totals, owner_of, share_allows, shared_template_limit, template_allowed,
};
pub use selection::{OPTION_FALLBACK, OPTION_PORT, Segment, Selection, SelectionKind};
pub use service::{
    NAME_LEN, SCHED_EXPIRE_QUIESCENT, SCHED_FWMARK, SCHED_ONE_PACKET, SCHED_PERSISTENT,
    SchedParams, Service, ServiceConfig, ServiceKey,
};
pub use service_cache::{SERVICE_CACHE_LEN, service_cache_index};
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

/// Most entries of `SERVICES`.
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

/// What a program knows of all services before it looks one up.
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
/// Entries of `CONNECTIONS`, unless the daemon's options limit connections to fewer.
pub const CONNECTIONS: u32 = 1 << 16;
/// Most entries of `OVERFLOW`, unless the daemon's options say otherwise.
pub const MAX_OVERFLOW: u32 = 1 << 20;
/// Most entries of `FLOWS`, unless the daemon's options say otherwise.
pub const MAX_FLOWS: u32 = 1 << 19;
/// Most entries of `TEMPLATES`, unless the daemon's options say otherwise.
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
    unsafe impl aya::Pod for super::SchedParams {}
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
