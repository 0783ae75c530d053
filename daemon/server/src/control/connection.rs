//! An open connection, in the form that `sockvs connections` reads.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sockvs_ipvs::Connection;

/// An open connection, as the daemon shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionEntry {
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// The client's address.
    pub client: SocketAddr,
    /// The virtual address that it connected to.
    pub r#virtual: SocketAddr,
    /// The server that the scheduler chose.
    pub server: SocketAddr,
    /// The connection's state, by the kernel's IPVS name.
    pub state: String,
    /// The cookie of the network namespace that the client's socket is in.
    pub namespace: u64,
    /// The socket's inode, or zero.
    pub inode: u64,
    /// The number of the cgroup that the socket was made in.
    pub cgroup_id: u64,
}

impl ConnectionEntry {
    /// A connection, with text for its protocol and state.
    #[must_use]
    pub fn of(connection: &Connection) -> Self {
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
