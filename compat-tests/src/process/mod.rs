//! Starting programs, waiting for them and ending them, and cleaning up. Nothing here knows what a
//! network namespace or a daemon is.

pub mod binaries;
pub mod eventually;
pub(crate) mod leftovers;
pub mod name;
pub mod program;
pub mod syscall_killer;
