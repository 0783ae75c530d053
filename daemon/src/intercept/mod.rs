//! How IPVS requests reach us, although only the kernel can register a generic netlink family.
//!
//! An interceptor takes a client's datagram on its way to the kernel and hands it, with what the
//! kernel knows of the sender, to [`family::Server`](crate::family::Server). What a request means is
//! not known here.
//!
//! [`bpf`] serves every client, on kernels that allow it; [`seccomp`] serves the commands that
//! `sockvs exec` runs, on all. [`choose()`] decides; [`Gateway`] is what both lead to.
//! [`owner_of`] tells whose a network namespace is, [`Departures`] when a network namespace is no more.

pub mod bpf;
mod choice;
mod departures;
mod gateway;
mod netlink;
mod owner;
pub mod seccomp;
pub mod support;

pub use choice::{Choice, Intercept, choose};
pub use departures::Departures;
pub use gateway::Gateway;
pub use owner::owner_of;
