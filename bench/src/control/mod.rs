//! The control plane: how long IPVS clients take, with sockvs and with the kernel's IPVS.

mod edit;
mod keepalived;
mod restore;
mod table;

use anyhow::Result;
use compat_tests::{Client, Daemon, Folder};

pub(crate) use keepalived::await_services;
pub(crate) use table::Table;

use crate::{
    balancers,
    figure::{Figure, Line, Unit},
    interrupt,
    lab::Lab,
    measure::{Bench, emit, progress},
};

/// The names of its workloads on the command line.
pub(crate) const NAMES: [&str; 3] = [restore::NAME, edit::NAME, keepalived::NAME];

/// The names of those who answer IPVS clients.
pub(crate) const ANSWERERS: [&str; 2] = [balancers::SOCKVS, KERNEL];
const KERNEL: &str = "IPVS";

/// Measures all that is wanted of it.
pub(crate) fn measure(bench: &Bench) -> Result<()> {
    restore::measure(bench)?;
    edit::measure(bench)?;
    keepalived::measure(bench)
}

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
struct Family {
    client: Client,
    _daemon: Option<Daemon>,
    lab: Lab,
}

impl Family {
    /// None, if there is no such IPVS.
    fn new(bench: &Bench, answerer: Answerer) -> Option<Self> {
        let is_there = match answerer {
            Answerer::Sockvs => true,
            Answerer::Kernel => balancers::kernel_ipvs_is_there(),
        };
        is_there.then(|| {
            let lab = Lab::new();
            let (daemon, client) = match answerer {
                Answerer::Sockvs => {
                    let (daemon, client) = balancers::start_sockvs(&lab, bench.intercept);
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

    fn folder(&self) -> &Folder {
        &self.lab.folder
    }
}

/// What is done with one answerer in one round: the values of each workload.
type Measured = Vec<(String, Vec<f64>)>;

/// Does something with each answerer in turn, in several rounds.
fn rounds(
    bench: &Bench,
    table: &str,
    rounds: usize,
    mut measure: impl FnMut(&Family) -> Result<Measured>,
) -> Result<()> {
    let mut figures: Vec<Figure> = Vec::new();
    for _ in 0..rounds {
        for answerer in [Answerer::Sockvs, Answerer::Kernel] {
            interrupt::check()?;
            if !bench.wants_balancer(answerer.name()) {
                continue;
            }
            let Some(family) = Family::new(bench, answerer) else {
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
