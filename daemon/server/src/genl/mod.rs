//! Serves the generic netlink family "IPVS" as the kernel would: a datagram in, replies out.
//!
//! ```text
//! GenlServer::datagram ── message: is it ours, is it allowed, what does it ask
//!                       ├── controller: "which number has the family IPVS"
//!                       ├── command:    change or read a table        ── ipvs
//!                       └── dump:       a table, a datagram at a time ── ipvs
//!                     delivery ── namespace: the sockets in the client's network namespace
//! ```
//!
//! Receiving datagrams is the task of `intercept`; validating changes is that of `ipvs`. The order
//! of checks, and so which error a client sees, is that of `genl_rcv_msg`
//! (`net/netlink/genetlink.c`) and `ip_vs_genl_set_cmd` (`net/netfilter/ipvs/ip_vs_ctl.c`).

mod client;
mod command;
mod controller;
mod delivery;
mod dump;
mod encode;
mod error;
mod message;
mod namespace;
mod outcome;
mod reply;
mod request;
mod server;
mod sync_socket;

pub use client::{Client, ClientNamespace, Sender};
pub use delivery::{Wait, Waiting};
pub use namespace::{NamespaceSockets, Namespaces};
pub use server::GenlServer;

/// Our number for the family. The kernel assigns numbers up to 1023 (`GENL_MAX_ID`), so no kernel
/// family can have this one.
pub const FAMILY_ID: u16 = 0x4956;
