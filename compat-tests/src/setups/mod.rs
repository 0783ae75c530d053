//! Whole surroundings of a test, made of the environment, servers and clients.

pub mod dual_stack;
pub mod scene;
pub mod testbed;
