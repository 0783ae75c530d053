//! Serves IPVS like the kernel, for every interface by which a request can come.
//!
//! ```text
//! genl ────┐
//! sockopt ─┤
//!          ├── state ── ipvs, and the data path behind it
//! procfs ──┤
//! control ─┘
//! ```
//!
//! [`state`] holds the tables behind one lock. The front ends use it and are independent of each
//! other: [`genl`] is the generic netlink family, [`sockopt`] the older socket options, [`procfs`]
//! the text of `/proc/net/ip_vs*` and of the settings, [`control`] the protocol between `sockvs`
//! and the daemon. The only exception is `control`, which returns the text of `procfs`.
//!
//! Receiving requests is the task of the interceptors; validating them is that of `sockvs-ipvs`.

pub mod control;
pub mod genl;
pub mod procfs;
pub mod sockopt;
pub mod state;
