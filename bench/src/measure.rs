//! A run: every workload with every table, every balancer in turn.

use std::io::{self, Write as _};

use anyhow::Result;
use compat_tests::{Intercept, root};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    balancers::{self, Refusal},
    control,
    effort::Effort,
    figure::{Clock, Figure, Line, Run, Unit},
    hooks, interrupt, memory,
    services::Services,
    stand::Stand,
    workloads::{self, Workload},
};

/// The name of what is measured while no client does anything.
const BACKGROUND: &str = "background";

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

/// Measures, and writes the figures to the standard output as they come.
pub(crate) fn measure(options: &Options) -> Result<()> {
    root::require();
    interrupt::watch()?;
    let effort = Effort {
        clock: options.clock,
        quick: options.quick,
    };
    let intercept = if options.transparent {
        Intercept::Bpf
    } else {
        Intercept::Seccomp
    };
    let bench = Bench {
        effort,
        intercept,
        only: options.only.clone(),
        balancers: options.balancer.clone(),
        tables: match options.services.as_slice() {
            [] => effort.tables().to_vec(),
            some => some.to_vec(),
        },
    };
    bench.check_names()?;
    stay_on_one_processor()?;
    let kernel = nix::sys::utsname::uname()?;
    emit(&Line::Run(Run {
        kernel: kernel.release().to_string_lossy().into_owned(),
        clock: options.clock,
        quick: options.quick,
    }))?;
    for &services in &bench.tables {
        bench.data_path(Services(services))?;
    }
    hooks::measure(&bench)?;
    control::measure(&bench)?;
    memory::measure(&bench)
}

/// Both ends of a connection have one processor, as in the virtual machine: the time that passes
/// then is the work that is done.
fn stay_on_one_processor() -> Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let last = (0..CpuSet::count()).rfind(|number| allowed.is_set(*number) == Ok(true));
    let mut one = CpuSet::new();
    one.set(last.unwrap_or(0))?;
    Ok(sched_setaffinity(this, &one)?)
}

/// The run's choices.
pub(crate) struct Bench {
    pub(crate) effort: Effort,
    pub(crate) intercept: Intercept,
    /// The sizes of tables, in services of one kind.
    pub(crate) tables: Vec<u32>,
    only: Vec<String>,
    balancers: Vec<String>,
}

impl Bench {
    /// Whether this way of balancing is to be measured.
    pub(crate) fn wants_balancer(&self, name: &str) -> bool {
        self.balancers.is_empty()
            || name == balancers::DIRECT
            || self.balancers.iter().any(|wanted| wanted == name)
    }

    /// Whether this is to be measured.
    pub(crate) fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == workload)
    }

    fn check_names(&self) -> Result<()> {
        let data_path = workloads::all();
        let known: Vec<&str> = data_path
            .iter()
            .map(|workload| workload.name())
            .chain(control::NAMES)
            .chain([BACKGROUND, hooks::NAME, memory::NAME])
            .collect();
        refuse_unknown(&self.only, &known)?;
        let balancers: Vec<&str> = balancers::names()
            .into_iter()
            .chain(control::ANSWERERS)
            .collect();
        refuse_unknown(&self.balancers, &balancers)
    }

    fn data_path(&self, services: Services) -> Result<()> {
        let workloads: Vec<_> = workloads::all()
            .into_iter()
            .filter(|workload| self.wants(workload.name()) && workload.wants(services.0))
            .collect();
        if workloads.is_empty() && !self.wants(BACKGROUND) {
            return Ok(());
        }
        let mut stands = Vec::new();
        let mut absent = Vec::new();
        for balancer in balancers::all(self.intercept) {
            interrupt::check()?;
            let name = balancer.name();
            if !self.wants_balancer(name) {
                continue;
            }
            progress(&format!("setting up {name} with {}", table(services)));
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
            self.rounds(workload.as_ref(), services, &mut stands)?;
            for (name, reason) in &absent {
                emit(&Line::Figure(Figure {
                    workload: workload.name().to_owned(),
                    table: table(services),
                    balancer: (*name).to_owned(),
                    unit: workload.unit(),
                    values: vec![],
                    absent: Some(reason.clone()),
                }))?;
            }
        }
        if self.wants(BACKGROUND) {
            self.background(services, &stands)?;
        }
        Ok(())
    }

    fn background(&self, services: Services, stands: &[Stand]) -> Result<()> {
        for stand in stands {
            interrupt::check()?;
            let Some(time) = stand.background() else {
                continue;
            };
            let name = stand.balancer.name();
            progress(&format!("{name} in the background: {time:?} in a second"));
            emit(&Line::Figure(Figure {
                workload: "idle: processor time in a second".to_owned(),
                table: table(services),
                balancer: name.to_owned(),
                unit: Unit::Nanoseconds,
                values: vec![time.as_secs_f64() * 1e9],
                absent: None,
            }))?;
        }
        Ok(())
    }

    fn rounds(
        &self,
        workload: &dyn Workload,
        services: Services,
        stands: &mut [Stand],
    ) -> Result<()> {
        let mut values = vec![Vec::new(); stands.len()];
        for stand in &mut *stands {
            stand.prepare(workload)?;
        }
        for round in 0..=self.effort.rounds() {
            for (stand, values) in stands.iter_mut().zip(&mut values) {
                interrupt::check()?;
                let value = stand.measure(workload, self.effort)?;
                let note = if round == 0 { " (warming up)" } else { "" };
                progress(&format!(
                    "{}, {}, round {round} of {}: {} {value:.0}{note}",
                    workload.name(),
                    table(services),
                    self.effort.rounds(),
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
                table: table(services),
                balancer: stand.balancer.name().to_owned(),
                unit: workload.unit(),
                values,
                absent: None,
            }))?;
        }
        Ok(())
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

/// A table's name.
pub(crate) fn table(services: Services) -> String {
    match services.0 {
        1 => "1 service".to_owned(),
        many => format!("{many} services"),
    }
}

/// Tells how far the run is.
pub(crate) fn progress(what: &str) {
    eprintln!("bench: {what}");
}

/// Writes a line of the result.
pub(crate) fn emit(line: &Line) -> Result<()> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, line)?;
    writeln!(output)?;
    output.flush()?;
    Ok(())
}
