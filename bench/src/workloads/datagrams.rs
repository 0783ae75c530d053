//! A datagram to a service and its answer.

use anyhow::Result;

use super::workload::Workload;
use crate::{
    effort::Effort,
    lab::Lab,
    services::{Aim, DATAGRAM_PORT},
    traffic::{self, Ends, Server},
};

const TIMES: u32 = 3000;

pub(super) enum Datagrams {
    /// Each on a socket of its own that is connected.
    Ask,
    /// All on one socket that is not.
    Exchange,
}

impl Workload for Datagrams {
    fn name(&self) -> &'static str {
        match self {
            Self::Ask => "udp-connect",
            Self::Exchange => "udp",
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Ask => "UDP connect, request, reply, close",
            Self::Exchange => "UDP request and reply, unconnected socket",
        }
    }

    fn serve(&self, lab: &Lab) -> Result<Box<dyn Server>> {
        traffic::serve(lab, traffic::server::Kind::Echo, DATAGRAM_PORT)
    }

    fn measure(&self, _lab: &Lab, ends: &mut Ends, aim: Aim, effort: Effort) -> Result<f64> {
        let verb = match self {
            Self::Ask => "ask",
            Self::Exchange => "exchange",
        };
        // There is one service of this kind.
        let count = aim.count.min(if aim.is_servers() { 2 } else { 1 });
        let aim = Aim { count, ..aim };
        traffic::drive(ends, verb, aim, DATAGRAM_PORT, effort.times(TIMES))
    }
}
