//! A plot of each workload: a bar for each way of balancing, one group for each size of the table.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{
    coord::Shift,
    prelude::{
        BLACK, ChartBuilder, Color as _, DrawingArea, IntoDrawingArea as _, PathElement, RGBColor,
        Rectangle, SVGBackend, SeriesLabelPosition, WHITE,
    },
};

use super::{format, results::Results};
use crate::{
    balancers,
    figure::{Figure, Unit},
    statistics::Summary,
};

const SIZE: (u32, u32) = (900, 420);
/// Colours that are told apart also by those who do not see all of them (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(120, 120, 120),
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(204, 121, 167),
    RGBColor(0, 158, 115),
    RGBColor(86, 180, 233),
];
/// How wide a group is; one unit apart from the next.
const GROUP: f64 = 0.8;

/// Writes all plots into a folder.
pub(super) fn all(results: &Results, folder: &Path) -> Result<()> {
    let mut done: Vec<&str> = Vec::new();
    for figure in &results.figures {
        // Programs and memory are numbers of sockvs alone: there is nothing to compare.
        let workload = figure.workload.as_str();
        if workload.contains(": ") || done.contains(&workload) {
            continue;
        }
        done.push(workload);
        let words: Vec<&str> = workload
            .split([' ', '-'])
            .filter(|word| !word.is_empty())
            .collect();
        let path = folder.join(format!("{}.svg", words.join("-")));
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        plot(results, workload, figure.unit, &area)
            .map_err(|error| anyhow!("cannot plot {}: {error}", path.display()))?;
    }
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn plot(results: &Results, workload: &str, unit: Unit, area: &Area<'_>) -> Drawn {
    let this = |figure: &Figure| figure.workload == workload && !figure.values.is_empty();
    let balancers = results.balancers(this);
    let sizes: Vec<String> = results
        .jobs(this)
        .into_iter()
        .map(|(_, size, _)| size.to_owned())
        .collect();
    let highest = results
        .figures
        .iter()
        .filter(|figure| this(figure))
        .filter_map(|figure| Some(Summary::of(&figure.values)?.quartiles[1]))
        .fold(0.0, f64::max);
    area.fill(&WHITE)?;
    let groups = f64::from(u32::try_from(sizes.len())?);
    let better = if unit == Unit::PerSecond {
        "more"
    } else {
        "less"
    };
    let title = format!("{} ({better} is better)", format::workload(workload));
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(90)
        .build_cartesian_2d(-0.5..groups - 0.5, 0.0..highest * 1.4)?;
    let name = |position: &f64| group_at(&sizes, *position);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(2 * sizes.len() + 1)
        .x_label_formatter(&name)
        .y_label_formatter(&|value| format::value(*value, unit))
        .draw()?;
    let width = GROUP / f64::from(u32::try_from(balancers.len())?);
    for (number, balancer) in balancers.iter().enumerate() {
        let colour = colour(balancer);
        let bars = (0..).zip(&sizes).filter_map(|(group, size)| {
            let figure = results.find(workload, size, balancer)?;
            let summary = Summary::of(&figure.values)?;
            let left =
                f64::from(group) - GROUP / 2.0 + width * f64::from(u32::try_from(number).ok()?);
            Some((left, summary))
        });
        let bars: Vec<(f64, Summary)> = bars.collect();
        chart
            .draw_series(bars.iter().map(|(left, summary)| {
                let corners = [(*left, 0.0), (left + width * 0.9, summary.median)];
                Rectangle::new(corners, colour.filled())
            }))?
            .label(*balancer)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
        chart.draw_series(bars.iter().map(|(left, summary)| {
            let middle = left + width * 0.45;
            let [low, high] = summary.quartiles;
            PathElement::new([(middle, low), (middle, high)], BLACK.stroke_width(2))
        }))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

/// Each way of balancing has the same colour in all plots.
fn colour(balancer: &str) -> RGBColor {
    let usual = balancers::names();
    let place = usual.iter().position(|name| *name == balancer);
    COLOURS[place.unwrap_or(COLOURS.len() - 1) % COLOURS.len()]
}

/// The name of the group whose middle is here, and nothing between groups.
fn group_at(sizes: &[String], position: f64) -> String {
    (0..)
        .zip(sizes)
        .find(|(group, _)| (f64::from(*group) - position).abs() < 0.01)
        .map_or_else(String::new, |(_, size)| format::table(size))
}
