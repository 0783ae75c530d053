//! The data path: publishes the table's services to eBPF maps, in which `connect(2)` finds them.
//!
//! [`Datapath`] implements [`DataPath`](sockvs_ipvs::DataPath). `programs` loads the eBPF object,
//! `attach`es it to a cgroup and pins what must outlive the daemon; `open` opens the maps. `stores`
//! are the maps of records: services, destinations, and the schedules of services, which
//! `scheduler` computes. They are built on `chunks` (memory), `live` and `records` (the fields of a
//! record), `ids` and `extents` (allocators), with a share for each of the `owners` (`shares`).
//! `addresses` maps addresses to services. `publish` brings a service's new state into force;
//! `edits` protects changes of more than one word against a crash; `restore` reads the maps of an
//! earlier daemon, and `migration` converts them from another version's `layout`. `rates` estimates
//! rates, `templates` manages persistence, `common` and `sync_daemons` keep what belongs to no
//! service. `capacity` is the size of the maps that programs fill, `usage` how much of them is in
//! use. `walk` reads the open connections, with the kernel's `socket_layout`, and `connections`
//! converts them to the tables' types; `orphans` handles connections to deleted servers, which
//! `destroy` can end.
//!
//! Validating a client's configuration is not done here, but by `ipvs`.

mod addresses;
mod attach;
mod capacity;
mod chunks;
mod common;
mod connections;
mod datapath;
mod destroy;
mod edits;
mod extents;
mod ids;
mod keys;
mod layout;
mod live;
mod migration;
mod open;
mod orphans;
mod owners;
mod programs;
mod publish;
mod rates;
mod records;
mod restore;
mod scheduler;
mod shares;
mod socket_layout;
mod stores;
mod sync_daemons;
mod templates;
mod translation;
mod usage;
mod walk;

pub use datapath::Datapath;
pub use open::{Chores, Limits, open};
pub use programs::{Error, Programs, detach_all};
pub use rates::PERIOD as RATES_PERIOD;
pub use restore::restore;
pub use templates::Templates;
pub use usage::MapUsage;
pub use walk::Reaper;
