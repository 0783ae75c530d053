//! What one run of each eBPF program takes, by the kernel's own account (`bpf_stats`).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aya::sys::{Stats, enable_stats};
use serde::Deserialize;

use crate::{
    balancers,
    config::Config,
    figure::{Figure, Line, Unit},
    interrupt,
    lab::Lab,
    output::{emit, progress},
    process::bpftool,
    services::Services,
    stand::Stand,
    workloads,
};

/// Its name on the command line.
pub(crate) const NAME: &str = "hooks";

/// Runs and time, by program.
type Account = BTreeMap<String, (u64, u64)>;

/// Lets each kind of connection be made with the kernel counting, to services and past them.
pub(crate) fn measure(config: &Config) -> Result<()> {
    if !config.wants(NAME) {
        return Ok(());
    }
    let services = Services(1);
    let sockvs = balancers::all(config.intercept)
        .into_iter()
        .find(|balancer| balancer.name() == balancers::SOCKVS)
        .context("sockvs is a balancer")?;
    let Ok(mut stand) = Stand::new(sockvs, services) else {
        anyhow::bail!("sockvs does not start");
    };
    let _counting = enable_stats(Stats::RunTime).context("cannot let the kernel count")?;
    for workload in workloads::all() {
        if workload.unit() != Unit::Nanoseconds {
            continue;
        }
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for round in 0..=config.effort.rounds() {
            interrupt::check()?;
            let before = account(&stand.lab)?;
            stand.measure(workload.as_ref(), config.effort)?;
            let after = account(&stand.lab)?;
            if round == 0 {
                continue;
            }
            let spent: Account = after
                .into_iter()
                .map(|(program, (runs, time))| {
                    let (runs_before, time_before) =
                        before.get(&program).copied().unwrap_or((0, 0));
                    (program, (runs - runs_before, time - time_before))
                })
                .collect();
            // Once for each connection, or each datagram of a socket that has none.
            let calls: u64 = ["connect4", "sendmsg4"]
                .iter()
                .filter_map(|program| Some(spent.get(*program)?.0))
                .sum();
            let all: u64 = spent.values().map(|(_, time)| time).sum();
            values
                .entry("all programs".to_owned())
                .or_default()
                .push(each(all, calls)?);
            for (program, (runs, time)) in spent {
                // Others run now and then, for connections that are not measured.
                if runs >= calls / 2 {
                    values.entry(program).or_default().push(each(time, runs)?);
                }
            }
        }
        stand.finish();
        for (program, values) in values {
            progress(&format!("{program}, {}: {values:.0?}", workload.name()));
            emit(&Line::Figure(Figure {
                workload: format!("{program}: {}", workload.name()),
                table: services.to_string(),
                balancer: balancers::SOCKVS.to_owned(),
                unit: Unit::Nanoseconds,
                values,
                absent: None,
            }))?;
        }
    }
    Ok(())
}

fn each(time: u64, runs: u64) -> Result<f64> {
    let (time, runs) = (u32::try_from(time / 10)?, u32::try_from(runs)?);
    Ok(f64::from(time) * 10.0 / f64::from(runs.max(1)))
}

#[derive(Deserialize)]
struct Attached {
    id: u32,
}

#[derive(Deserialize)]
struct Program {
    name: String,
    #[serde(default)]
    run_time_ns: u64,
    #[serde(default)]
    run_cnt: u64,
}

/// The account of the programs that are attached to the lab's cgroup.
fn account(lab: &Lab) -> Result<Account> {
    let cgroup = lab.cgroup.path().to_string_lossy().into_owned();
    let attached: Vec<Attached> = bpftool(&["cgroup", "show", &cgroup])?;
    let mut account = Account::new();
    for Attached { id } in attached {
        let program: Program = bpftool(&["prog", "show", "id", &id.to_string()])?;
        let name = program.name.trim_start_matches("sockvs_").to_owned();
        account.insert(name, (program.run_cnt, program.run_time_ns));
    }
    Ok(account)
}
