//! What `sockvs-conformance` is made of: the same commands against the kernel's own IPVS and
//! against sockvs, byte for byte.
//!
//! A [`scenario`] is a text file of commands. [`run`] executes one side of it, [`mask`] hides what
//! may differ, by name, and [`report`] compares and tells. Nothing here knows what an answer should
//! be: the kernel does.

pub mod arguments;
pub mod mask;
pub mod report;
pub mod run;
pub mod scenario;
