//! What a run measures and how, as the command line says. Nothing is measured here.

use anyhow::Result;
use compat_tests::Intercept;

use crate::{balancers::DIRECT, effort::Effort, figure::Clock};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Less of everything: minutes become seconds, and the figures rough.
    #[arg(long)]
    quick: bool,
    /// Measure only this. May be repeated.
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<String>,
    /// Measure only this way of balancing, beside direct connections. May be repeated.
    #[arg(long, value_name = "NAME")]
    balancer: Vec<String>,
    /// Measure only with tables of so many services. May be repeated.
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    services: Vec<u32>,
    /// How this machine tells time.
    #[arg(long, value_enum, default_value = "real")]
    clock: Clock,
    /// Have IPVS clients served as they are, without `sockvs exec`.
    #[arg(long)]
    transparent: bool,
}

/// The run's choices.
pub(crate) struct Config {
    pub(crate) effort: Effort,
    pub(crate) intercept: Intercept,
    /// The sizes of tables, in services of one kind.
    pub(crate) tables: Vec<u32>,
    only: Vec<String>,
    balancers: Vec<String>,
}

impl Config {
    /// The choices of these options.
    pub(crate) fn new(options: &Options) -> Self {
        let effort = Effort {
            clock: options.clock,
            quick: options.quick,
        };
        let intercept = if options.transparent {
            Intercept::Bpf
        } else {
            Intercept::Seccomp
        };
        Self {
            effort,
            intercept,
            only: options.only.clone(),
            balancers: options.balancer.clone(),
            tables: match options.services.as_slice() {
                [] => effort.tables().to_vec(),
                some => some.to_vec(),
            },
        }
    }

    /// Whether this way of balancing is to be measured.
    pub(crate) fn wants_balancer(&self, name: &str) -> bool {
        self.balancers.is_empty()
            || name == DIRECT
            || self.balancers.iter().any(|wanted| wanted == name)
    }

    /// Whether this is to be measured.
    pub(crate) fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == workload)
    }

    /// Refuses names that are not among these.
    pub(crate) fn check_names(&self, workloads: &[&str], balancers: &[&str]) -> Result<()> {
        refuse_unknown(&self.only, workloads)?;
        refuse_unknown(&self.balancers, balancers)
    }
}

fn refuse_unknown(names: &[String], known: &[&str]) -> Result<()> {
    for name in names {
        if !known.contains(&name.as_str()) {
            anyhow::bail!("nothing is called {name}; there are: {}", known.join(", "));
        }
    }
    Ok(())
}
