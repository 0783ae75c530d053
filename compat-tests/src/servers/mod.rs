//! What answers connections and datagrams, and the machines that it runs on. Nothing here knows
//! which service, if any, a server belongs to.

pub mod datagram_server;
pub mod dns;
pub mod host;
pub mod server;
pub mod tls_server;
