//! The control plane: how long IPVS clients take, with sockvs and with the kernel's IPVS.

mod edit;
mod keepalived;
mod restore;
mod rounds;
mod table;

use anyhow::Result;

pub(crate) use keepalived::await_services;
pub(crate) use table::Table;

use crate::{balancers, config::Config};
use rounds::KERNEL;

/// The names of its workloads on the command line.
pub(crate) const NAMES: [&str; 3] = [restore::NAME, edit::NAME, keepalived::NAME];

/// The names of those who answer IPVS clients.
pub(crate) const ANSWERERS: [&str; 2] = [balancers::SOCKVS, KERNEL];

/// Measures all that is wanted of it.
pub(crate) fn measure(config: &Config) -> Result<()> {
    restore::measure(config)?;
    edit::measure(config)?;
    keepalived::measure(config)
}
