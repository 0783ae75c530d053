//! The whole run as one JSON document.

use serde_json::{Value, json};

use super::{results::Results, targets};
use crate::statistics::Summary;

/// The run, each figure with what its values say, and the targets.
pub(super) fn of(results: &Results) -> Value {
    let figures = results.figures.iter().map(|figure| {
        let mut figure_of = json!(figure);
        figure_of["summary"] = json!(Summary::of(&figure.values));
        figure_of["to_direct"] = json!(results.ratio(figure));
        figure_of
    });
    let targets = targets::of(results);
    let targets = targets.iter().map(|target| {
        let mut target_of = json!(target);
        target_of["met"] = json!(target.is_met());
        target_of
    });
    json!({
        "run": results.run,
        "figures": figures.collect::<Vec<_>>(),
        "targets": targets.collect::<Vec<_>>(),
    })
}
