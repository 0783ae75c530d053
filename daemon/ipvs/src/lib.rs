//! The IPVS state machine: which services and destinations a network namespace has, and what the
//! kernel's rules say to each request to change them.
//!
//! This is the part of sockvs that would be `net/netfilter/ipvs/ip_vs_ctl.c` in the kernel. It
//! keeps the kernel's defaults, its order of checks and its error numbers, because clients such as
//! keepalived and kube-proxy act on them. Each item names the kernel function that it answers to
//! (Linux 6.1).
//!
//! It does no I/O and knows neither netlink nor eBPF. What it has to ask of the machine it asks
//! through [`Host`]; what it has to tell the connections it tells through [`DataPath`]; the time
//! comes in as an argument. It decodes no messages: a missing attribute or an address family that
//! does not exist is refused before a request gets here.
//!
//! ```text
//! Ipvs ── Table (one for each network namespace)
//!           ├── Service (ServiceKey) ── Destination (DestinationKey), newest first
//!           ├── trash: destinations deleted a short while ago
//!           ├── Timeouts, Settings
//!           └── SyncDaemon (master, backup)
//! ```
//!
//! Every change is all or nothing: when the rules or the data path refuse one, the table is as it
//! was.

mod address;
mod connection;
mod destination;
mod destinations;
mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod host;
mod id;
mod key;
mod namespaces;
mod owner;
mod path;
mod persistence_engine;
mod scheduler;
mod service;
mod settings;
mod stats;
mod sync_daemon;
mod table;
mod timeouts;
mod trash;

#[cfg(test)]
mod tests;

pub use address::Ipv6Kind;
pub use connection::{ClientSocket, Connection, ConnectionState};
pub use destination::{Destination, DestinationSpec, ForwardingMethod, TunnelInfo, TunnelKind};
use destinations::Destinations;
pub use error::Error;
pub use host::{Host, RouteType};
pub use id::{DestinationId, Namespace, ServiceId};
pub use key::{DestinationKey, Family, ServiceKey};
pub use namespaces::Ipvs;
pub use owner::Owner;
pub use path::{Cause, DataPath, DataPathFull, Usage};
pub use persistence_engine::PersistenceEngine;
pub use scheduler::Scheduler;
pub use service::{Netmask, Service, ServiceFlags, ServiceSpec};
pub use settings::{Setting, SettingError, Settings};
pub use stats::{DestinationReading, Stats};
pub use sync_daemon::{SyncDaemon, SyncDaemonSpec, SyncState};
pub use table::{Info, Table};
pub use timeouts::{Timeouts, TimeoutsUpdate};
pub use trash::TRASH_PERIOD;

/// Ticks in a second (`CONFIG_HZ` of Debian's kernels).
///
/// The kernel keeps timeouts in ticks of 32 bits, and what it shows is the ticks divided again. A
/// client can see that in large values, so the model counts in ticks too.
const HZ: u32 = 250;
