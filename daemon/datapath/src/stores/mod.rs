//! The maps of records, each with the allocator of its ids and the daemon's state about its
//! contents.
//!
//! Stores are independent of each other. `publish` decides in which order they are changed.

pub(crate) mod destinations;
pub(crate) mod extents;
pub(crate) mod ids;
pub(crate) mod owners;
pub(crate) mod schedules;
pub(crate) mod services;
pub(crate) mod shares;

pub(crate) use destinations::DestinationStore;
pub(crate) use schedules::ScheduleStore;
pub(crate) use services::ServiceStore;
