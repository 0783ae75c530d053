//! The maps of records, each with the allocator of its ids and what else is known of what is in it.
//!
//! A store knows nothing of the others. In what order they are changed is decided in `publish`.

mod destinations;
mod schedules;
mod services;

pub(crate) use destinations::DestinationStore;
pub(crate) use schedules::ScheduleStore;
pub(crate) use services::ServiceStore;
