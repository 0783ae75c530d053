//! The open connections as `sockvs connections` shows them: what the daemon says of their sockets,
//! and what is found out here about who has them.
//!
//! The daemon looks at sockets only. Processes and cgroups are looked for where the command runs,
//! so it shows those that can be seen there.

mod cgroups;
mod processes;

use std::{collections::HashSet, fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::ipvs::Connection;

/// What the daemon says of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// The client's own address.
    pub client: SocketAddr,
    /// What it asked for.
    pub r#virtual: SocketAddr,
    /// The server that it got.
    pub server: SocketAddr,
    /// How far it is, as the kernel's IPVS calls it.
    pub state: String,
    /// The cookie of the network namespace that the client's socket is in.
    pub namespace: u64,
    /// The socket's inode, or zero.
    pub inode: u64,
    /// The number of the cgroup that the socket was made in.
    pub cgroup_id: u64,
}

impl Told {
    /// A connection, in words.
    pub(crate) fn of(connection: &Connection) -> Self {
        Self {
            protocol: match connection.protocol {
                6 => "TCP".to_owned(),
                17 => "UDP".to_owned(),
                other => format!("IP_{other}"),
            },
            client: connection.client,
            r#virtual: connection.virtually,
            server: connection.server,
            state: connection.state.name().to_owned(),
            namespace: connection.socket.netns,
            inode: connection.socket.inode,
            cgroup_id: connection.socket.cgroup,
        }
    }
}

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

/// A connection, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// What the daemon says.
    #[serde(flatten)]
    pub told: Told,
    /// Who has the socket open. Empty if that cannot be seen.
    pub processes: Vec<Process>,
    /// The path of the cgroup that the socket was made in, from the hierarchy's root, if it is
    /// still there.
    pub cgroup: Option<String>,
}

/// Finds out who has these connections.
#[must_use]
pub fn find_clients(told: Vec<Told>) -> Vec<Shown> {
    let inodes: HashSet<u64> = told.iter().map(|told| told.inode).collect();
    let mut processes = processes::with_sockets(&inodes);
    let ids: HashSet<u64> = told.iter().map(|told| told.cgroup_id).collect();
    let cgroups = cgroups::paths(&ids);
    let mut shown: Vec<_> = told
        .into_iter()
        .map(|told| Shown {
            processes: processes.remove(&told.inode).unwrap_or_default(),
            cgroup: cgroups.get(&told.cgroup_id).cloned(),
            told,
        })
        .collect();
    shown.sort_by_key(|shown| {
        let told = &shown.told;
        (told.r#virtual, told.server, told.client)
    });
    shown
}

/// A table of connections for people to read.
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
        let or_nobody = |text: String| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        [
            shown.told.protocol.clone(),
            shown.told.client.to_string(),
            shown.told.r#virtual.to_string(),
            shown.told.server.to_string(),
            shown.told.state.clone(),
            shown.told.namespace.to_string(),
            or_nobody(processes.join(",")),
            or_nobody(shown.cgroup.clone().unwrap_or_default()),
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
