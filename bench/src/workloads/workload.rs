//! What a measurement has to tell of itself, and to do.

use anyhow::Result;

use crate::{
    effort::Effort,
    figure::Unit,
    lab::Lab,
    services::Aim,
    traffic::{Ends, Server},
};

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
