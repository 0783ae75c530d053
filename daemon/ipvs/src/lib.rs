//! The IPVS state machine: the services and destinations of network namespaces, and the kernel's
//! rules for changing them.
//!
//! This crate corresponds to `net/netfilter/ipvs/ip_vs_ctl.c` in the kernel. It has the kernel's
//! defaults, order of checks and error numbers, because clients such as keepalived and kube-proxy
//! rely on them. Each item names the corresponding kernel function (Linux 6.1).
//!
//! It does no I/O and does not depend on netlink or eBPF. It queries the machine through [`Host`],
//! and publishes changes through [`DataPath`]; the time is an argument. It decodes no messages: a
//! missing attribute or an invalid address family is refused before a request gets here.
//!
//! ```text
//! Ipvs ── Table (one for each network namespace)
//!           ├── Service (ServiceKey) ── Destination (DestinationKey), newest first
//!           ├── trash: destinations deleted a short while ago
//!           ├── Timeouts, Settings
//!           └── SyncDaemon (master, backup)
//! ```
//!
//! Every change is atomic: when the rules or the data path refuse one, the table is unchanged.

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

/// Jiffies per second (`CONFIG_HZ` of Debian's kernels).
///
/// The kernel keeps timeouts in 32-bit jiffies, and converts them back to seconds for clients.
/// Clients can see that for large values, so this crate counts in jiffies, too.
const HZ: u32 = 250;
