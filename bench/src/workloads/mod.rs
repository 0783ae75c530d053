//! What clients do, measured for each way of balancing.

mod connect;
mod datagrams;
mod http;
mod redis;

use anyhow::Result;
use compat_tests::Conversation;

use crate::{effort::Effort, figure::Unit, lab::Lab, services::Aim};

/// A measurement.
pub(crate) trait Workload {
    /// Its name on the command line and in file names.
    fn name(&self) -> &'static str;

    /// What it is, for people.
    fn title(&self) -> &'static str;

    /// What it measures.
    fn unit(&self) -> Unit {
        Unit::Nanoseconds
    }

    /// Whether it goes to the servers themselves, past all services.
    fn is_past_services(&self) -> bool {
        false
    }

    /// Whether it is measured with tables of this size.
    fn wants(&self, _services: u32) -> bool {
        true
    }

    /// Starts the server that it needs.
    fn serve(&self, lab: &Lab) -> Result<Box<dyn Server>>;

    /// Measures once.
    fn measure(&self, lab: &Lab, ends: &mut Ends, aim: Aim, effort: Effort) -> Result<f64>;
}

/// What serves. It ends with this.
pub(crate) trait Server {
    /// How many connections or datagrams it has had, if it counts them.
    fn served(&mut self) -> Option<u64> {
        None
    }
}

/// Both ends of the connections.
pub(crate) struct Ends {
    pub(crate) client: Conversation,
    pub(crate) server: Box<dyn Server>,
}

/// All of them.
pub(crate) fn all() -> Vec<Box<dyn Workload>> {
    vec![
        Box::new(redis::Redis),
        Box::new(connect::Connect { past: false }),
        Box::new(connect::Connect { past: true }),
        Box::new(datagrams::Datagrams::Ask),
        Box::new(datagrams::Datagrams::Exchange),
        Box::new(http::Http),
    ]
}
