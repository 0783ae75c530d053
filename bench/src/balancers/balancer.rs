//! What a way of balancing has to be able to do, so that it can be measured beside the others.

use std::time::Duration;

use crate::{
    lab::Lab,
    services::{Aim, Services},
};

/// Why a way of balancing is not measured.
pub(crate) enum Refusal {
    /// It does not exist here, or makes no sense: a reason for the table.
    Absent(String),
    /// Something went wrong.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What lives for as long as something is balanced.
pub(crate) trait Balancing {
    /// Lets what works in the background rest while others have their turn.
    fn rest(&self) {}

    /// Lets it go on.
    fn go_on(&self) {}

    /// How long a measurement has to be at least, so that what is done in the background from time
    /// to time has its part of it.
    fn period(&self) -> Duration {
        Duration::ZERO
    }

    /// The processor time that it has had, if it has a process.
    fn processor_time(&self) -> Option<Duration> {
        None
    }
}

/// Rules in the kernel need nothing to live.
impl Balancing for () {}

/// A way of balancing that is set up, of any kind. Dropping it takes it down.
pub(crate) type Guard = Box<dyn Balancing>;

/// A way of balancing.
pub(crate) trait Balancer {
    /// Its name in the tables.
    fn name(&self) -> &'static str;

    /// Brings connections from the lab's client to these services to the servers.
    fn balance(&self, lab: &Lab, services: Services) -> Result<Guard, Refusal>;

    /// Where connections go that are to be balanced.
    fn aim(&self, services: Services) -> Aim {
        Aim::services(services)
    }
}
