//! Which interceptor takes the requests of IPVS clients, and where they go from there.
//!
//! Only the kernel can register a generic netlink family. An interceptor takes a client's datagram
//! on its way to the kernel: [`sockvs_intercept_bpf`] those of every client, on kernels that allow
//! it, [`sockvs_intercept_seccomp`] those of the commands that `sockvs exec` runs, on all.
//! [`choose()`] decides; [`Gateway`] is what both lead to.

mod choice;
mod gateway;
pub mod support;

pub use choice::{Choice, Intercept, choose};
pub use gateway::Gateway;
