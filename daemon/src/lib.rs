//! sockvs: an IPVS that lives in the socket layer.
//!
//! ```text
//! client ── intercept ── family ── ipvs ── datapath ── connect(2)
//! ```
//!
//! [`intercept`] takes a client's request on its way to the kernel, [`family`] reads and answers it
//! ([`sockopt`] does if it is a socket option), [`ipvs`] holds the tables and the rules,
//! [`datapath`] brings them to where connections are made. Dependencies point to the right; `ipvs`
//! knows nothing of its neighbours. [`daemon`] puts the parts together, [`control`] is how `sockvs`
//! asks a running daemon, [`connections`] is what it then shows of them, [`procfs`] says what it
//! gets to read, [`doctor`] looks at the machine, [`shim`] puts scripts before clients on `PATH`.
//! [`ebpf`] is what `datapath` and `intercept` load programs with.

pub mod connections;
pub mod control;
pub mod daemon;
pub mod datapath;
mod descriptors;
pub mod doctor;
pub mod ebpf;
pub mod family;
pub mod intercept;
pub mod ipvs;
mod journal;
mod netns;
pub mod privileges;
pub mod procfs;
mod rate_limit;
mod service_manager;
pub mod shim;
mod socket_file;
pub mod sockopt;
