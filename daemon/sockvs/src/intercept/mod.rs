//! Chooses the interceptor that takes the requests of IPVS clients, and connects it to the server.
//!
//! Only the kernel can register a generic netlink family. An interceptor takes a client's datagram
//! on its way to the kernel: [`sockvs_intercept_bpf`] those of every client, on kernels that
//! support it, [`sockvs_intercept_seccomp`] those of commands that `sockvs exec` runs, on all
//! kernels. [`choose()`] decides; both pass requests to the [`Gateway`].

mod choice;
mod gateway;
pub mod support;

pub use choice::{Choice, Intercept, choose};
pub use gateway::Gateway;
