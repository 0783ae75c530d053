//! The edit of a configuration that is in progress.

use crate::{DestinationConfig, ServiceConfig};

/// What the daemon is about to write into a record. If it is interrupted, the next daemon writes it
/// again. The only value of the map `EDIT`. Not read by the
/// programs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// `EDIT_*`.
    pub what: u32,
    /// The record's index.
    pub index: u32,
    /// Its configuration, if it is a service's.
    pub service: ServiceConfig,
    /// Its configuration, if it is a destination's.
    pub destination: DestinationConfig,
}

/// No edit is in progress.
pub const EDIT_NONE: u32 = 0;
/// A service is edited.
pub const EDIT_SERVICE: u32 = 1;
/// A destination is edited.
pub const EDIT_DESTINATION: u32 = 2;
