//! A run: the data path with every table, then what looks at sockvs from inside and at its control.

use anyhow::Result;
use compat_tests::root;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    balancers,
    config::{Config, Options},
    control,
    data_path::{self, BACKGROUND},
    figure::{Line, Run},
    hooks, interrupt, memory,
    output::emit,
    services::Services,
    workloads,
};

/// Measures, and writes the figures to the standard output as they come.
pub(crate) fn run(options: &Options) -> Result<()> {
    root::require();
    interrupt::watch()?;
    let config = Config::new(options);
    check_names(&config)?;
    stay_on_one_processor()?;
    let kernel = nix::sys::utsname::uname()?;
    emit(&Line::Run(Run {
        kernel: kernel.release().to_string_lossy().into_owned(),
        clock: config.effort.clock,
        quick: config.effort.quick,
    }))?;
    for &services in &config.tables {
        data_path::measure(&config, Services(services))?;
    }
    hooks::measure(&config)?;
    control::measure(&config)?;
    memory::measure(&config)
}

fn check_names(config: &Config) -> Result<()> {
    let data_path = workloads::all();
    let workloads: Vec<&str> = data_path
        .iter()
        .map(|workload| workload.name())
        .chain(control::NAMES)
        .chain([BACKGROUND, hooks::NAME, memory::NAME])
        .collect();
    let balancers: Vec<&str> = balancers::names()
        .into_iter()
        .chain(control::ANSWERERS)
        .collect();
    config.check_names(&workloads, &balancers)
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
