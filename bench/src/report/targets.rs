//! What was asked for, and whether it was reached. Each target is for one kind of run: ratios are
//! for the one whose figures repeat, the virtual machine's.

use serde::Serialize;

use super::results::Results;
use crate::{balancers::SOCKVS, figure::Clock};

const ONE: &str = "1 service";
const MANY: &str = "100000 services";
const RESTORED: &str = "2000 x 5";
/// From how much on something grows with the table.
const INDEPENDENT: f64 = 1.05;

/// A target and what became of it.
#[derive(Serialize)]
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) limit: f64,
    /// Whether more is better.
    pub(super) at_least: bool,
    pub(super) measured: Option<f64>,
}

impl Target {
    /// Whether it is reached, if it was measured.
    pub(super) fn is_met(&self) -> Option<bool> {
        let measured = self.measured?;
        Some(if self.at_least {
            measured >= self.limit
        } else {
            measured <= self.limit
        })
    }

    /// What became of it, in words.
    pub(super) fn verdict(&self) -> String {
        match (self.is_met(), self.measured) {
            (Some(true), _) => "met".to_owned(),
            (Some(false), Some(measured)) => {
                let by = (measured / self.limit - 1.0).abs() * 100.0;
                format!("missed by {by:.1} %")
            }
            _ => "not measured in this run".to_owned(),
        }
    }
}

/// Those for this kind of run.
pub(super) fn of(results: &Results) -> Vec<Target> {
    let to_direct = |workload| {
        let figure = results.find(workload, ONE, SOCKVS)?;
        Some(results.ratio(figure)?.median)
    };
    let sockvs = |workload, table| results.median(workload, table, SOCKVS);
    let to_kernel =
        |workload| Some(sockvs(workload, RESTORED)? / results.median(workload, RESTORED, "IPVS")?);
    let growth = |workload| Some(sockvs(workload, MANY)? / sockvs(workload, ONE)?);
    let at_most = |name, limit, measured| Target {
        name,
        limit,
        at_least: false,
        measured,
    };
    if results.run.clock == Clock::Real {
        return vec![
            at_most(
                "connect4 program, hit, rr, ns",
                80.0,
                sockvs("connect4: connect", ONE),
            ),
            at_most(
                "memory of 100 000 services x 5 servers, daemon + maps, MB",
                150.0,
                sockvs("memory: daemon + maps", "100000 x 5"),
            ),
        ];
    }
    vec![
        Target {
            name: "redis on established connections, to direct",
            limit: 0.995,
            at_least: true,
            measured: to_direct("redis"),
        },
        at_most(
            "connect + close to a service, to direct",
            1.025,
            to_direct("connect"),
        ),
        at_most(
            "connect + close to an address that is no service, to direct",
            1.005,
            to_direct("no-service"),
        ),
        at_most(
            "connect + close with 100 000 services, to 1 service",
            1.01,
            growth("connect"),
        ),
        at_most(
            "ipvsadm -R of 2 000 x 5, to the kernel's IPVS",
            1.5,
            to_kernel("ipvsadm -R"),
        ),
        at_most(
            "ipvsadm -Ln of 2 000 x 5, to the kernel's IPVS",
            1.0,
            to_kernel("ipvsadm -Ln"),
        ),
        at_most(
            "one edit with 100 000 services, to 1 service",
            INDEPENDENT,
            growth("ipvsadm -e"),
        ),
    ]
}
