//! The data path: the table's services in eBPF maps, where `connect(2)` finds them.
//!
//! [`MapPath`] is the [`DataPath`](sockvs_ipvs::DataPath) of a running system. `programs` loads the
//! eBPF object, `attach`es it to a cgroup and pins what must outlive the daemon; `chunks`, `room`,
//! `stretches` and `records` are the maps' contents, of which `owners` have `shares`; `addresses`
//! the way to them; `scheduler` decides what a service's connections go through, which `sequences`
//! writes down; `publish` brings a service's new state into force, `restore` reads back what an
//! earlier daemon left, which `migration` carries over where it was of another version's `layout`.
//! `rates` estimates, `templates` is persistence's memory, `common` and `sync_daemons` what belongs
//! to no service. `capacity` is how much the programs may keep, `usage` how much they do. `walk`
//! looks at the connections that are open, where `socket_layout` says what they look like, and
//! `connections` says it in the tables' words; `orphans` are those whose server was deleted, which
//! `destroy` may end.
//!
//! Nothing here decides what a client may configure; that is `ipvs`.

mod addresses;
mod attach;
mod capacity;
mod chunks;
mod common;
mod connections;
mod destroy;
mod edits;
mod keys;
mod layout;
mod live;
mod migration;
mod open;
mod orphans;
mod owners;
mod path;
mod programs;
mod publish;
mod rates;
mod records;
mod restore;
mod room;
mod scheduler;
mod sequences;
mod shares;
mod socket_layout;
mod stretches;
mod sync_daemons;
mod templates;
mod translation;
mod usage;
mod walk;

pub use open::{Chores, Limits};
pub use path::MapPath;
pub use programs::{Error, Programs, detach_all};
pub use rates::PERIOD as RATES_PERIOD;
pub use templates::Templates;
pub use usage::MapUsage;
pub use walk::Reaper;
