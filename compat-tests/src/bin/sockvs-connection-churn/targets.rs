//! Which services connections are made to.

use std::net::SocketAddr;

/// Where connections go.
#[derive(Clone, Default)]
pub(crate) struct Targets {
    /// Services of TCP.
    pub(crate) streams: Vec<SocketAddr>,
    /// Services of UDP.
    pub(crate) datagrams: Vec<SocketAddr>,
    /// Services of TCP whose servers do not answer.
    pub(crate) silent: Vec<SocketAddr>,
}
