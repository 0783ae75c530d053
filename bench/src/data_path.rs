//! Every workload with one table of services, every balancer in turn.

use anyhow::Result;

use crate::{
    balancers::{self, Refusal},
    config::Config,
    effort::Effort,
    figure::{Figure, Line, Unit},
    interrupt,
    output::{emit, progress},
    services::Services,
    stand::Stand,
    workloads::{self, Workload},
};

/// The name of what is measured while no client does anything.
pub(crate) const BACKGROUND: &str = "background";

/// Measures what is wanted, and writes the figures.
pub(crate) fn measure(config: &Config, services: Services) -> Result<()> {
    let workloads: Vec<_> = workloads::all()
        .into_iter()
        .filter(|workload| config.wants(workload.name()) && workload.wants(services.0))
        .collect();
    if workloads.is_empty() && !config.wants(BACKGROUND) {
        return Ok(());
    }
    let mut stands = Vec::new();
    let mut absent = Vec::new();
    for balancer in balancers::all(config.intercept) {
        interrupt::check()?;
        let name = balancer.name();
        if !config.wants_balancer(name) {
            continue;
        }
        progress(&format!("setting up {name} with {services}"));
        match Stand::new(balancer, services) {
            Ok(stand) => stands.push(stand),
            Err(Refusal::Absent(reason)) => {
                progress(&format!("{name}: {reason}"));
                absent.push((name, reason));
            }
            Err(Refusal::Failed(error)) => return Err(error.context(name)),
        }
    }
    for workload in &workloads {
        rounds(config.effort, workload.as_ref(), services, &mut stands)?;
        for (name, reason) in &absent {
            emit(&Line::Figure(Figure {
                workload: workload.name().to_owned(),
                table: services.to_string(),
                balancer: (*name).to_owned(),
                unit: workload.unit(),
                values: vec![],
                absent: Some(reason.clone()),
            }))?;
        }
    }
    if config.wants(BACKGROUND) {
        background(services, &stands)?;
    }
    Ok(())
}

fn background(services: Services, stands: &[Stand]) -> Result<()> {
    for stand in stands {
        interrupt::check()?;
        let Some(time) = stand.background() else {
            continue;
        };
        let name = stand.balancer.name();
        progress(&format!("{name} in the background: {time:?} in a second"));
        emit(&Line::Figure(Figure {
            workload: "idle: processor time in a second".to_owned(),
            table: services.to_string(),
            balancer: name.to_owned(),
            unit: Unit::Nanoseconds,
            values: vec![time.as_secs_f64() * 1e9],
            absent: None,
        }))?;
    }
    Ok(())
}

fn rounds(
    effort: Effort,
    workload: &dyn Workload,
    services: Services,
    stands: &mut [Stand],
) -> Result<()> {
    let mut values = vec![Vec::new(); stands.len()];
    for stand in &mut *stands {
        stand.prepare(workload)?;
    }
    for round in 0..=effort.rounds() {
        for (stand, values) in stands.iter_mut().zip(&mut values) {
            interrupt::check()?;
            let value = stand.measure(workload, effort)?;
            let note = if round == 0 { " (warming up)" } else { "" };
            progress(&format!(
                "{}, {}, round {round} of {}: {} {value:.0}{note}",
                workload.name(),
                services,
                effort.rounds(),
                stand.balancer.name(),
            ));
            if round > 0 {
                values.push(value);
            }
        }
    }
    for (stand, values) in stands.iter_mut().zip(values) {
        stand.finish();
        emit(&Line::Figure(Figure {
            workload: workload.name().to_owned(),
            table: services.to_string(),
            balancer: stand.balancer.name().to_owned(),
            unit: workload.unit(),
            values,
            absent: None,
        }))?;
    }
    Ok(())
}
