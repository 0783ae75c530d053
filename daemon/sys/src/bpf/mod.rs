//! `bpf(2)`, as far as the eBPF library does not offer it: the call itself, the kernel's description of
//! its types, programs that are bound to one of these types, and what each module says of itself.
//!
//! Which programs those are, and what they are for, is the business of the data path and of the
//! interceptors.

mod btf;
mod btf_type;
mod call;
pub mod map;
pub mod object;
mod program;
mod raw_map;
pub mod run;

pub use btf::{Btf, Error as TypeError};
pub use program::{Incomplete, Kind, LoadError, instructions, load};
pub use raw_map::RawMap;
