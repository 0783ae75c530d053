//! The ways of getting a connection to a server.

mod balancer;
mod direct;
mod iptables;
mod ipvs;
mod nftables;
mod sockvs;

use compat_tests::Intercept;

pub(crate) use balancer::{Balancer, Guard, Refusal};
pub(crate) use ipvs::{Method, is_there as kernel_ipvs_is_there, load, rules};
pub(crate) use sockvs::{NAME as SOCKVS, start as start_sockvs};

/// The name of what all others are compared with.
pub(crate) const DIRECT: &str = direct::NAME;

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
