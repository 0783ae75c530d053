//! All figures of a run.

use std::io::BufRead;

use anyhow::{Context as _, Result};

use crate::{
    balancers,
    figure::{Figure, Line, Run, Unit},
    statistics::Summary,
};

/// A run and its figures, in the order in which they were measured.
pub(super) struct Results {
    pub(super) run: Run,
    pub(super) figures: Vec<Figure>,
}

impl Results {
    /// Reads the stream that `measure` writes.
    pub(super) fn read(input: impl BufRead) -> Result<Self> {
        let (mut run, mut figures) = (None, Vec::new());
        for line in input.lines() {
            let line = line.context("cannot read the figures")?;
            match serde_json::from_str(&line).with_context(|| format!("no figure: {line}"))? {
                Line::Run(this) => run = Some(this),
                Line::Figure(figure) => figures.push(figure),
            }
        }
        let run = run.context("nothing was measured")?;
        Ok(Self { run, figures })
    }

    /// One figure.
    pub(super) fn find(&self, workload: &str, table: &str, balancer: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| {
            figure.workload == workload && figure.table == table && figure.balancer == balancer
        })
    }

    /// A figure's middle value.
    pub(super) fn median(&self, workload: &str, table: &str, balancer: &str) -> Option<f64> {
        let figure = self.find(workload, table, balancer)?;
        Some(Summary::of(&figure.values)?.median)
    }

    /// A figure as a multiple of direct connections', round by round.
    pub(super) fn ratio(&self, figure: &Figure) -> Option<Summary> {
        let direct = self.find(&figure.workload, &figure.table, balancers::DIRECT)?;
        let pairs = figure.values.iter().zip(&direct.values);
        Summary::of(
            &pairs
                .map(|(value, direct)| value / direct)
                .collect::<Vec<_>>(),
        )
    }

    /// The workloads and tables that a test picks, each once.
    pub(super) fn jobs(&self, wanted: impl Fn(&Figure) -> bool) -> Vec<(&str, &str, Unit)> {
        let mut jobs = Vec::new();
        for figure in self.figures.iter().filter(|figure| wanted(figure)) {
            let job = (figure.workload.as_str(), figure.table.as_str(), figure.unit);
            if !jobs.contains(&job) {
                jobs.push(job);
            }
        }
        jobs
    }

    /// Whether direct connections did the same.
    pub(super) fn is_data_path(&self, figure: &Figure) -> bool {
        self.find(&figure.workload, &figure.table, balancers::DIRECT)
            .is_some()
    }

    /// Who did the jobs that a test picks, in their usual order.
    pub(super) fn balancers(&self, wanted: impl Fn(&Figure) -> bool) -> Vec<&str> {
        let usual = balancers::names();
        let place = |name: &str| usual.iter().position(|usual| *usual == name);
        let mut names = Vec::new();
        for figure in self.figures.iter().filter(|figure| wanted(figure)) {
            if !names.contains(&figure.balancer.as_str()) {
                names.push(figure.balancer.as_str());
            }
        }
        names.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
        names
    }
}
