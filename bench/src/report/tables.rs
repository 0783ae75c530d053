//! The tables, for a terminal or in Markdown.

use std::fmt::Write as _;

use comfy_table::{Table, presets};

use super::{format, results::Results, targets};
use crate::{
    balancers::{DIRECT, SOCKVS},
    figure::{Clock, Figure},
    statistics::Summary,
};

/// Where they are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Terminal,
    Markdown,
}

impl Style {
    fn table(self, heading: Vec<String>) -> Table {
        let mut table = Table::new();
        table.load_style(match self {
            Self::Terminal => presets::UTF8_FULL_CONDENSED,
            Self::Markdown => presets::ASCII_MARKDOWN,
        });
        table.set_header(heading);
        table
    }
}

/// All tables.
pub(super) fn all(results: &Results, style: Style) -> String {
    let mut text = heading(results);
    for (title, table) in [
        (
            "What one takes or how many there are in a second, and the others as multiples \
             of direct ± half the distance between the quartiles",
            connections(results, style),
        ),
        ("IPVS clients", clients(results, style)),
        (
            "Each run of an eBPF program, and memory",
            inside(results, style),
        ),
        ("Targets", targets(results, style)),
    ] {
        if let Some(table) = table {
            let _ = writeln!(text, "\n{title}:\n\n{table}");
        }
    }
    text
}

fn heading(results: &Results) -> String {
    let run = &results.run;
    let clock = match run.clock {
        Clock::Real => "real time, client and server on one processor",
        Clock::Instructions => "a virtual machine, one instruction = 1 ns",
    };
    let quick = if run.quick {
        ", a quick run: rough"
    } else {
        ""
    };
    format!("Linux {}, {clock}{quick}\n", run.kernel)
}

/// What clients do, by balancer.
fn connections(results: &Results, style: Style) -> Option<String> {
    let wanted = |figure: &Figure| results.is_data_path(figure);
    let balancers = results.balancers(wanted);
    let jobs = results.jobs(wanted);
    if jobs.is_empty() {
        return None;
    }
    let names = balancers.iter().map(|&name| name.to_owned());
    let mut table = style.table(
        [String::new(), String::new()]
            .into_iter()
            .chain(names)
            .collect(),
    );
    let mut reasons = Vec::new();
    for (workload, size, _) in jobs {
        let mut row = vec![format::workload(workload), format::table(size)];
        for balancer in &balancers {
            let figure = results.find(workload, size, balancer);
            row.push(figure.map_or_else(
                || "-".to_owned(),
                |figure| cell(results, figure, &mut reasons),
            ));
        }
        table.add_row(row);
    }
    let mut text = table.to_string();
    for (number, reason) in (1..).zip(&reasons) {
        let _ = write!(text, "\n\n[{number}] {reason}");
    }
    Some(text)
}

fn cell(results: &Results, figure: &Figure, reasons: &mut Vec<String>) -> String {
    let Some(summary) = Summary::of(&figure.values) else {
        let reason = figure.absent.clone().unwrap_or_default();
        let number = reasons
            .iter()
            .position(|known| *known == reason)
            .unwrap_or_else(|| {
                reasons.push(reason);
                reasons.len() - 1
            });
        return format!("- [{}]", number + 1);
    };
    let value = format::value(summary.median, figure.unit);
    match results.ratio(figure) {
        Some(_) if figure.balancer == DIRECT => value,
        Some(ratio) => format!("{:.3} ±{:.3}", ratio.median, ratio.spread()),
        None => value,
    }
}

/// What those do who program services.
fn clients(results: &Results, style: Style) -> Option<String> {
    let jobs = results.jobs(|figure| {
        figure.workload.starts_with("ipvsadm") || figure.workload.starts_with("keepalived")
    });
    if jobs.is_empty() {
        return None;
    }
    let heading = ["", "", "sockvs", "kernel's IPVS", "ratio"];
    let mut table = style.table(heading.map(str::to_owned).to_vec());
    for (workload, size, unit) in jobs {
        let value = |balancer| results.median(workload, size, balancer);
        let (sockvs, kernel) = (value(SOCKVS), value("IPVS"));
        let text = |value: Option<f64>| {
            value.map_or_else(|| "-".to_owned(), |value| format::value(value, unit))
        };
        let ratio = sockvs.zip(kernel).map(|(sockvs, kernel)| sockvs / kernel);
        table.add_row(vec![
            workload.to_owned(),
            format::table(size),
            text(sockvs),
            text(kernel),
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        ]);
    }
    Some(table.to_string())
}

/// sockvs from inside.
fn inside(results: &Results, style: Style) -> Option<String> {
    let jobs = results.jobs(|figure| figure.workload.contains(": "));
    if jobs.is_empty() {
        return None;
    }
    let mut table = style.table(vec![String::new(), String::new(), "sockvs".to_owned()]);
    for (workload, size, unit) in jobs {
        let value = results.median(workload, size, SOCKVS)?;
        table.add_row(vec![
            workload.to_owned(),
            format::table(size),
            format::value(value, unit),
        ]);
    }
    Some(table.to_string())
}

fn targets(results: &Results, style: Style) -> Option<String> {
    let heading = ["", "target", "measured", ""];
    let mut table = style.table(heading.map(str::to_owned).to_vec());
    for target in targets::of(results) {
        let sign = if target.at_least { "≥" } else { "≤" };
        let measured = target.measured;
        table.add_row(vec![
            target.name.to_owned(),
            format!("{sign} {}", target.limit),
            measured.map_or_else(|| "-".to_owned(), |measured| format!("{measured:.3}")),
            target.verdict(),
        ]);
    }
    Some(table.to_string())
}
