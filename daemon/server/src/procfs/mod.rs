//! The contents of the files `/proc/net/ip_vs*`: the tables as text, byte for byte as the kernel
//! writes it (the `seq_show` functions of `net/netfilter/ipvs/ip_vs_ctl.c`, `ip_vs_conn.c`,
//! `ip_vs_app.c`).
//!
//! This module only makes the text. `sockvs proc` prints it, and `sockvs exec --proc` passes it to
//! programs that open the kernel's path. The files cannot be created there, not even in a mount
//! namespace: `/proc/net` is a different directory for every process, and no file can be added to
//! it. So `open` is intercepted. As a seccomp filter cannot read the path, every `open` of any file
//! then waits for the supervisor, which is why it is off by default.
//!
//! What differs from the kernel:
//!
//! * Open connections have no countdown: `Expires` is the whole timeout of their state.
//! * There are no application helpers, so `ip_vs_app` is its heading.
//! * The totals are the sums over existing services: deleted ones do not count, and `-Z` zeroes
//!   them.
//! * Sockets are not counted per CPU: all counters are in the line of the first CPU.

mod connections;
mod place;
mod table;
#[cfg(test)]
mod tests;
mod totals;

pub use place::Place;

use sockvs_ipvs::{DataPath, Table};

/// A file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// Services and servers.
    Table,
    /// Application helpers.
    Applications,
    /// Connections.
    Connections,
    /// Connections, and which of them a sync daemon made.
    SyncedConnections,
    /// Counters and rates of the namespace.
    Totals,
    /// The same per CPU.
    TotalsByProcessor,
}

impl File {
    /// Every file there is.
    pub const ALL: &[Self] = &[
        Self::Table,
        Self::Applications,
        Self::Connections,
        Self::SyncedConnections,
        Self::Totals,
        Self::TotalsByProcessor,
    ];

    /// Its name in `/proc/net`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "ip_vs",
            Self::Applications => "ip_vs_app",
            Self::Connections => "ip_vs_conn",
            Self::SyncedConnections => "ip_vs_conn_sync",
            Self::Totals => "ip_vs_stats",
            Self::TotalsByProcessor => "ip_vs_stats_percpu",
        }
    }

    /// The file of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|file| file.name() == name)
    }

    /// Its contents.
    #[must_use]
    pub fn text(self, table: &Table, path: &dyn DataPath) -> String {
        match self {
            Self::Table => table::text(table, path),
            Self::Applications => "prot port    usecnt name\n".to_owned(),
            Self::Connections => connections::text(table, path),
            Self::SyncedConnections => connections::text_synced(table, path),
            Self::Totals => totals::text(table, path),
            Self::TotalsByProcessor => totals::text_by_processor(table, path),
        }
    }
}
