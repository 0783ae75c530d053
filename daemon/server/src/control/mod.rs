//! What the daemon and `sockvs` say to each other at the control socket: one line asks, one line of
//! JSON answers.
//!
//! The socket itself, and who may use it, is the business of the daemon.

mod connection;
mod reply;
mod request;
mod status;

pub use connection::ConnectionEntry;
pub use reply::reply;
pub use request::Request;
pub use status::{Facts, NamespaceStatus, Room, Status};
