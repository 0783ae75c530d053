//! What the fuzz targets share: a table behind fakes that is looked at after each request, and
//! requests that are almost right.
//!
//! Nothing here does any I/O or depends on the machine, so that an input always does the same.

pub mod bench;
pub mod client;
pub mod exec_packets;
pub mod listing;
pub mod path;
pub mod rare;
pub mod replies;
pub mod request;
