//! sockvs: IPVS in the socket layer. This crate has its two programs, `sockvsd` and `sockvs`; their
//! components are crates of their own.
//!
//! ```text
//! client ── an interceptor ── sockvs-server ── sockvs-ipvs ── sockvs-datapath ── connect(2)
//! ```
//!
//! [`daemon`] runs all components; [`intercept`] chooses an interceptor, and connects both to the
//! server; [`control`] is the socket by which `sockvs` queries a running daemon, [`connections`]
//! shows its open connections; [`doctor`] checks the machine, [`shim`] installs scripts that run
//! clients under `sockvs exec`.

pub mod connections;
pub mod control;
pub mod daemon;
pub mod doctor;
pub mod intercept;
pub mod shim;
