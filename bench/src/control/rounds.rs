//! One IPVS after the other does the same, in several rounds.

use anyhow::Result;
use compat_tests::{Client, Daemon, Folder};

use crate::{
    balancers,
    config::Config,
    figure::{Figure, Line, Unit},
    interrupt,
    lab::Lab,
    output::{emit, progress},
};

/// The name of the kernel's IPVS.
pub(super) const KERNEL: &str = "IPVS";

/// Who answers.
#[derive(Clone, Copy)]
enum Answerer {
    Sockvs,
    Kernel,
}

impl Answerer {
    fn name(self) -> &'static str {
        match self {
            Self::Sockvs => balancers::SOCKVS,
            Self::Kernel => KERNEL,
        }
    }
}

/// An IPVS with an empty table, and how to reach it. The order of the fields is the order in which
/// they go.
pub(super) struct Family {
    pub(super) client: Client,
    _daemon: Option<Daemon>,
    lab: Lab,
}

impl Family {
    /// None, if there is no such IPVS.
    fn new(config: &Config, answerer: Answerer) -> Option<Self> {
        let is_there = match answerer {
            Answerer::Sockvs => true,
            Answerer::Kernel => balancers::kernel_ipvs_is_there(),
        };
        is_there.then(|| {
            let lab = Lab::new();
            let (daemon, client) = match answerer {
                Answerer::Sockvs => {
                    let (daemon, client) = balancers::start_sockvs(&lab, config.intercept);
                    (Some(daemon), client)
                }
                Answerer::Kernel => (None, lab.kernel_client()),
            };
            Self {
                client,
                _daemon: daemon,
                lab,
            }
        })
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.lab.folder
    }
}

/// What is done with one answerer in one round: the values of each workload.
pub(super) type Measured = Vec<(String, Vec<f64>)>;

/// Does something with each answerer in turn, in several rounds.
pub(super) fn rounds(
    config: &Config,
    table: &str,
    rounds: usize,
    mut measure: impl FnMut(&Family) -> Result<Measured>,
) -> Result<()> {
    let mut figures: Vec<Figure> = Vec::new();
    for _ in 0..rounds {
        for answerer in [Answerer::Sockvs, Answerer::Kernel] {
            interrupt::check()?;
            if !config.wants_balancer(answerer.name()) {
                continue;
            }
            let Some(family) = Family::new(config, answerer) else {
                continue;
            };
            for (workload, values) in measure(&family)? {
                progress(&format!(
                    "{workload}, {table}: {} {values:.4?} s",
                    answerer.name()
                ));
                let same = figures.iter_mut().find(|figure| {
                    figure.workload == workload && figure.balancer == answerer.name()
                });
                match same {
                    Some(figure) => figure.values.extend(values),
                    None => figures.push(Figure {
                        workload,
                        table: table.to_owned(),
                        balancer: answerer.name().to_owned(),
                        unit: Unit::Seconds,
                        values,
                        absent: None,
                    }),
                }
            }
        }
    }
    figures
        .into_iter()
        .map(Line::Figure)
        .try_for_each(|line| emit(&line))
}
