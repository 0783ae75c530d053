//! sockvs: an IPVS that lives in the socket layer. This crate is its two programs, `sockvsd` and
//! `sockvs`; the parts that they are made of are crates of their own.
//!
//! ```text
//! client ── an interceptor ── sockvs-server ── sockvs-ipvs ── sockvs-datapath ── connect(2)
//! ```
//!
//! [`daemon`] puts the parts together; [`intercept`] chooses an interceptor, and leads both to the
//! server; [`control`] is the socket by which `sockvs` asks a running daemon, [`connections`] is
//! what it then shows of them; [`doctor`] looks at the machine, [`shim`] puts scripts before clients
//! on `PATH`.

pub mod connections;
pub mod control;
pub mod daemon;
pub mod doctor;
pub mod intercept;
pub mod shim;
