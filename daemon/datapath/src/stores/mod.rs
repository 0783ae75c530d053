//! The maps of records, each with the allocator of its ids and the daemon's state about its
//! contents.
//!
//! Stores are independent of each other. `publish` decides in which order they are changed.

mod destinations;
mod schedules;
mod services;

pub(crate) use destinations::DestinationStore;
pub(crate) use schedules::ScheduleStore;
pub(crate) use services::ServiceStore;
