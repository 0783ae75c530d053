//! The rules, one file for each subject, with a fake host and a fake data path.

mod config;
mod destinations;
mod destinations_refused;
mod dump;
mod fake;
mod model;
mod names;
mod namespaces;
mod services;
mod services_refused;
mod settings;
mod statistics;
mod sync_daemons;
mod trash;
