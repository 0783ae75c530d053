//! TCP connections that are made and ended at once, to services or past them.

use anyhow::Result;

use super::workload::Workload;
use crate::{
    effort::Effort,
    lab::Lab,
    services::{Aim, CONNECT_PORT},
    traffic::{self, Ends, Server},
};

const TIMES: u32 = 3000;

pub(super) struct Connect {
    /// To the servers themselves, which are no services.
    pub(super) past: bool,
}

impl Workload for Connect {
    fn name(&self) -> &'static str {
        if self.past { "no-service" } else { "connect" }
    }

    fn title(&self) -> &'static str {
        if self.past {
            "TCP connect + close, to an address that is no service"
        } else {
            "TCP connect + close"
        }
    }

    fn is_past_services(&self) -> bool {
        self.past
    }

    fn serve(&self, lab: &Lab) -> Result<Box<dyn Server>> {
        traffic::serve(lab, traffic::server::Kind::Accept, CONNECT_PORT)
    }

    fn measure(&self, _lab: &Lab, ends: &mut Ends, aim: Aim, effort: Effort) -> Result<f64> {
        traffic::drive(ends, "connect", aim, CONNECT_PORT, effort.times(TIMES))
    }
}
