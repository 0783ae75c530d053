//! Loading the eBPF programs, attaching and pinning them, and opening their maps.
//!
//! `programs` loads the object, with the sizes that `capacity` computes, and `attach`es its
//! programs; `layout` describes the records of the maps, for the next version; `open` opens the
//! maps. What is in them is not read here.

pub(crate) mod attach;
pub(crate) mod capacity;
pub(crate) mod layout;
pub(crate) mod open;
pub(crate) mod programs;

pub use open::{Chores, Limits, open};
pub use programs::{Error, Programs, detach_all};
