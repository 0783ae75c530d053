//! The data path: publishes the table's services to eBPF maps, in which `connect(2)` finds them.
//!
//! [`Datapath`] implements [`DataPath`](sockvs_ipvs::DataPath).
//!
//! * `loading`: the eBPF object is loaded, attached and pinned, and its maps are opened.
//! * `upgrade`: maps of another version are converted.
//! * `records`: the fields of a record, and the memory of records.
//! * `stores`: services, destinations and schedules, each with its map and its allocator.
//! * `scheduler`: computes a service's schedule.
//! * `publish` brings a service's new state into force; `edits` protects changes of more than one
//!   word against a crash; `restore` reads the maps of an earlier daemon.
//! * `addresses` maps addresses to services; `common` and `sync_daemons` keep what belongs to no
//!   service; `rates` estimates rates; `templates` manages persistence.
//! * `connections`: the connections that are open. `keys` reads the keys of hash maps, `usage`
//!   tells how much of the maps is in use.
//!
//! Validating a client's configuration is not done here, but by `ipvs`.

mod addresses;
mod common;
mod connections;
mod datapath;
mod edits;
mod keys;
mod loading;
mod publish;
mod rates;
mod records;
mod restore;
mod scheduler;
mod stores;
mod sync_daemons;
mod templates;
mod upgrade;
mod usage;

pub use connections::walk::Reaper;
pub use datapath::Datapath;
pub use loading::{Chores, Error, Limits, Programs, detach_all, open};
pub use rates::PERIOD as RATES_PERIOD;
pub use restore::restore;
pub use templates::Templates;
pub use usage::MapUsage;
