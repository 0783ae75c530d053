//! The ways of getting a connection to a server.

mod direct;
mod iptables;
mod ipvs;
mod nftables;
mod sockvs;

use std::time::Duration;

use compat_tests::Intercept;

use crate::{
    lab::Lab,
    services::{Aim, Services},
};

pub(crate) use ipvs::{Method, is_there as kernel_ipvs_is_there, load, rules};
pub(crate) use sockvs::{NAME as SOCKVS, start as start_sockvs};

/// The name of what all others are compared with.
pub(crate) const DIRECT: &str = direct::NAME;

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

/// The same, whatever it is.
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

/// All of them. Direct connections come first: the others are compared with them.
pub(crate) fn all(intercept: Intercept) -> Vec<Box<dyn Balancer>> {
    vec![
        Box::new(direct::Direct),
        Box::new(sockvs::Sockvs(intercept)),
        Box::new(iptables::Iptables),
        Box::new(nftables::Nftables),
        Box::new(ipvs::Ipvs(Method::Routing)),
        Box::new(ipvs::Ipvs(Method::Masquerading)),
    ]
}

/// Their names, in the same order.
pub(crate) fn names() -> Vec<&'static str> {
    let all = all(Intercept::Seccomp);
    all.iter().map(|balancer| balancer.name()).collect()
}
