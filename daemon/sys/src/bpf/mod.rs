//! `bpf(2)`, as far as the eBPF library lacks it: the system call, BTF, maps, and loading programs
//! that are attached to kernel functions.
//!
//! It defines no programs; those belong to the data path and the interceptors.

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
