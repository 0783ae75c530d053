//! The open connections as `sockvs connections` shows them: the daemon's list, completed with the
//! processes and cgroups of the sockets.
//!
//! The daemon only reports sockets. Processes and cgroups are determined in the process of the
//! command, so it shows those that are visible there.

mod cgroups;
mod processes;

use std::{collections::HashSet, fmt};

use serde::Serialize;
use sockvs_server::control::ConnectionEntry;

/// A process that has the client's socket open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// The name of its command.
    pub command: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pid, self.command)
    }
}

/// A connection, with its processes and cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The daemon's entry.
    #[serde(flatten)]
    pub connection: ConnectionEntry,
    /// The processes that have the socket open. Empty if they are not visible.
    pub processes: Vec<Process>,
    /// The path of the cgroup that the socket was created in, from the hierarchy's root; `None` if
    /// it was removed.
    pub cgroup: Option<String>,
}

/// Adds processes and cgroups to these connections.
#[must_use]
pub fn find_clients(connections: Vec<ConnectionEntry>) -> Vec<Shown> {
    let inodes: HashSet<u64> = connections
        .iter()
        .map(|connection| connection.inode)
        .collect();
    let mut processes = processes::with_sockets(&inodes);
    let ids: HashSet<u64> = connections
        .iter()
        .map(|connection| connection.cgroup_id)
        .collect();
    let cgroups = cgroups::paths(&ids);
    let mut shown: Vec<_> = connections
        .into_iter()
        .map(|connection| Shown {
            processes: processes.remove(&connection.inode).unwrap_or_default(),
            cgroup: cgroups.get(&connection.cgroup_id).cloned(),
            connection,
        })
        .collect();
    shown.sort_by_key(|shown| {
        let connection = &shown.connection;
        (connection.r#virtual, connection.server, connection.client)
    });
    shown
}

/// A table of connections for the terminal.
#[must_use]
pub fn table(connections: &[Shown]) -> String {
    let heading = [
        "Pro",
        "Client",
        "Virtual",
        "Server",
        "State",
        "Namespace",
        "Process",
        "Cgroup",
    ]
    .map(str::to_owned);
    let rows = connections.iter().map(|shown| {
        let processes: Vec<_> = shown.processes.iter().map(Process::to_string).collect();
        let or_dash = |text: String| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        [
            shown.connection.protocol.clone(),
            shown.connection.client.to_string(),
            shown.connection.r#virtual.to_string(),
            shown.connection.server.to_string(),
            shown.connection.state.clone(),
            shown.connection.namespace.to_string(),
            or_dash(processes.join(",")),
            or_dash(shown.cgroup.clone().unwrap_or_default()),
        ]
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    let mut widths = [0; 8];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<_> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join(" ").trim_end());
        text.push('\n');
    }
    text
}
