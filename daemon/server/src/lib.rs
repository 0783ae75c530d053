//! Serves IPVS as the kernel would, whatever way a request comes.
//!
//! ```text
//! genl ────┐
//! sockopt ─┤
//!          ├── state ── ipvs, and the data path behind it
//! procfs ──┤
//! control ─┘
//! ```
//!
//! [`state`] holds the tables behind one lock. Over it stand the front ends, side by side: [`genl`]
//! is the generic netlink family, [`sockopt`] the socket options that came before it, [`procfs`] the
//! text of `/proc/net/ip_vs*` and of the settings, [`control`] the lines that `sockvs` and the
//! daemon exchange. None of them goes through another, but for `control`, which shows what `procfs`
//! says.
//!
//! How a request gets here is the business of the interceptors; what it may do is that of
//! `sockvs-ipvs`.

pub mod control;
pub mod genl;
pub mod procfs;
pub mod sockopt;
pub mod state;
