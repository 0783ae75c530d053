//! What an outcome is compared with: listings, counts of what is in the pinned maps, the table that
//! a series of changes should lead to, what a process costs. Nothing here changes anything.

pub mod bpf_objects;
pub mod census;
pub mod ledger;
pub mod listing;
pub mod pinned_map;
pub mod usage;
pub mod vitals;
