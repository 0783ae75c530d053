//! The Unix socket by which `sockvs` asks the running daemon, for root only.
//!
//! A client sends one line, the daemon answers with one line of JSON and closes. What clients may
//! change they change as IPVS clients; nothing can be changed here.

mod client;
mod paths;
mod server;
mod status;

pub use client::{Error, ask_status};
pub use paths::{DEFAULT_PIN_DIR, DEFAULT_SOCKET, exec_socket};
pub use server::Listener;
pub use status::{Facts, NamespaceStatus, Status};

/// The line that asks for the daemon's status.
const STATUS: &str = "status";
