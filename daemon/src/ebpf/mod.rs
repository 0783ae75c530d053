//! What it takes to bring eBPF programs into force that the eBPF library does not load: the
//! `bpf(2)` call itself, the kernel's description of its types, and programs that are bound to one
//! of these types.
//!
//! Which programs those are, and what they are for, is the business of `datapath` and `intercept`.

mod btf;
mod btf_type;
pub(crate) mod call;
mod program;

pub(crate) use btf::Btf;
pub use btf::Error as TypeError;
pub use program::Refused;
pub(crate) use program::{Incomplete, Kind, instructions, load};
