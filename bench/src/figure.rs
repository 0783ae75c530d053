//! What is measured, and the form in which it goes from who measures to who reports: a line of JSON
//! for each figure, so that a run that ends early is not lost.

use serde::{Deserialize, Serialize};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    /// Nanoseconds for one of what is measured. Less is better.
    Nanoseconds,
    /// How many of it in a second. More is better.
    PerSecond,
    /// Seconds for all of it. Less is better.
    Seconds,
    /// Megabytes. Less is better.
    Megabytes,
}

/// How time was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Clock {
    /// As it passed.
    Real,
    /// By counting instructions, of which each takes one nanosecond.
    Instructions,
}

/// Where and how a run was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) kernel: String,
    pub(crate) clock: Clock,
    /// Whether it was a short one, whose figures are rough.
    pub(crate) quick: bool,
}

/// One way of balancing at one job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// The job.
    pub(crate) workload: String,
    /// How large the table was: 1 service, 2 000 x 5, ….
    pub(crate) table: String,
    /// Who did it.
    pub(crate) balancer: String,
    pub(crate) unit: Unit,
    /// What was measured, round by round. In one round all balancers have their turn.
    pub(crate) values: Vec<f64>,
    /// Why there are no values.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) absent: Option<String>,
}

/// A line of the stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Line {
    Run(Run),
    Figure(Figure),
}
