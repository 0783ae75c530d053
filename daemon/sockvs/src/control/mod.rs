//! The Unix socket by which `sockvs` queries the running daemon. Only root may use it.
//!
//! A client sends one line, the daemon answers with one line of JSON and closes the connection; the
//! protocol is in [`sockvs_server::control`]. Services and servers cannot be changed here, but only
//! by IPVS requests; sysctls can.

mod client;
mod listener;
mod paths;

pub use client::{Error, ask_connections, ask_file, ask_setting, ask_status, change_setting};
pub use listener::Listener;
pub use paths::{DEFAULT_PIN_DIR, DEFAULT_SOCKET, exec_socket};
