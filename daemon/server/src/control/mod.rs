//! The protocol of the control socket between the daemon and `sockvs`: one line of request, one
//! line of JSON in reply.
//!
//! The socket itself, and access control to it, are part of the daemon.

mod connection;
mod reply;
mod request;
mod status;

pub use connection::ConnectionEntry;
pub use reply::reply;
pub use request::Request;
pub use status::{Facts, NamespaceStatus, Room, Status};
