//! The Unix socket by which `sockvs` asks the running daemon, for root only.
//!
//! A client sends one line, the daemon answers with one line of JSON and closes; what they say is
//! in [`sockvs_server::control`]. What IPVS clients may change they change as such; here only the
//! settings can be, which other clients change as sysctls.

mod client;
mod listener;
mod paths;

pub use client::{Error, ask_connections, ask_file, ask_setting, ask_status, change_setting};
pub use listener::Listener;
pub use paths::{DEFAULT_PIN_DIR, DEFAULT_SOCKET, exec_socket};
