//! One way of balancing, set up and ready to be measured.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    balancers::{Balancer, Guard, Refusal},
    effort::Effort,
    interrupt,
    lab::Lab,
    services::{Aim, Services},
    statistics::mean,
    traffic::{self, Ends},
    workloads::Workload,
};

/// How long a look at the background takes.
const IDLE: Duration = Duration::from_secs(5);

/// A lab with a table of services. The order of the fields is the order in which they go.
pub(crate) struct Stand {
    pub(crate) balancer: Box<dyn Balancer>,
    ends: Option<Ends>,
    guard: Guard,
    pub(crate) lab: Lab,
    services: Services,
}

impl Stand {
    /// Sets it up.
    pub(crate) fn new(balancer: Box<dyn Balancer>, services: Services) -> Result<Self, Refusal> {
        let lab = Lab::new();
        let guard = balancer.balance(&lab, services)?;
        guard.rest();
        Ok(Self {
            balancer,
            ends: None,
            guard,
            lab,
            services,
        })
    }

    /// Starts what a workload needs.
    pub(crate) fn prepare(&mut self, workload: &dyn Workload) -> Result<()> {
        let server = workload.serve(&self.lab)?;
        let client = traffic::client(&self.lab);
        self.ends = Some(Ends { client, server });
        Ok(())
    }

    /// Measures once.
    pub(crate) fn measure(&mut self, workload: &dyn Workload, effort: Effort) -> Result<f64> {
        let aim = if workload.is_past_services() {
            Aim::SERVERS
        } else {
            self.balancer.aim(self.services)
        };
        if self.ends.is_none() {
            self.prepare(workload)?;
        }
        let Some(ends) = &mut self.ends else {
            anyhow::bail!("{} has no server", workload.name());
        };
        self.guard.go_on();
        let start = Instant::now();
        let mut values = Vec::new();
        while values.is_empty() || start.elapsed() < self.guard.period() {
            interrupt::check()?;
            values.push(workload.measure(&self.lab, ends, aim, effort)?);
        }
        self.guard.rest();
        Ok(mean(&values))
    }

    /// What is done in the background while nothing happens: processor time in a second.
    pub(crate) fn background(&self) -> Option<Duration> {
        self.guard.processor_time()?;
        self.guard.go_on();
        let before = self.guard.processor_time()?;
        thread::sleep(IDLE);
        let after = self.guard.processor_time()?;
        self.guard.rest();
        Some((after - before) / u32::try_from(IDLE.as_secs()).ok()?)
    }

    /// Ends what the workload needed.
    pub(crate) fn finish(&mut self) {
        self.ends = None;
    }
}
