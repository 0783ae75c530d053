//! The data path: the table's services in eBPF maps, where `connect(2)` finds them.
//!
//! [`Datapath`] is the [`DataPath`](sockvs_ipvs::DataPath) of a running system. `programs` loads the
//! eBPF object, `attach`es it to a cgroup and pins what must outlive the daemon; `open` opens the
//! maps. `stores` are the maps of records: services, destinations, and the schedules that a
//! service's connections go through, which `scheduler` makes. Below them are `chunks` (memory),
//! `live` and `records` (what is in a record), `ids` and `extents` (what is in use), of which
//! `owners` have `shares`. `addresses` is the way from an address to a service. `publish` brings a
//! service's new state into force, of which `edits` writes down beforehand what is not one word;
//! `restore` reads back what an earlier daemon left, which `migration` carries over where it was of
//! another version's `layout`. `rates` estimates, `templates` is persistence's memory, `common` and
//! `sync_daemons` what belongs to no service. `capacity` is how much the programs may keep, `usage`
//! how much they do. `walk` looks at the connections that are open, where `socket_layout` says what
//! they look like, and `connections` says it in the tables' words; `orphans` are those whose server
//! was deleted, which `destroy` may end.
//!
//! Nothing here decides what a client may configure; that is `ipvs`.

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
