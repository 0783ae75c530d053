//! Proves "as the kernel does": the same commands against the kernel's own IPVS and against sockvs.
//!
//! The transparent interceptor answers for a whole machine, so the kernel is asked first, while no
//! daemon runs. Then a daemon is started and asked the same, in fresh namespaces.
//!
//! A `scenario` is a text file of commands. `run` executes one side of it, `mask` hides what may
//! differ, by name, and `report` compares and tells. Nothing here knows what an answer should be:
//! the kernel does.

mod arguments;
mod mask;
mod report;
mod run;
mod scenario;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use crate::{
    arguments::{Arguments, HELP},
    report::{Report, record},
    run::{Answer, Side, run},
    scenario::Scenario,
};
use compat_tests::{Cgroup, Daemon, Folder, Intercept, Namespace, Place, binaries, root};

fn main() -> ExitCode {
    match conform() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("conformance: {problem}");
            ExitCode::from(2)
        }
    }
}

/// Whether both sides answer alike.
fn conform() -> Result<bool, String> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    if arguments.help {
        print!("{HELP}");
        return Ok(true);
    }
    root::require();
    let scenarios = scenarios(&arguments)?;
    let launcher = arguments.socket_options;
    let launcher = launcher.then(|| binaries::ours("sockvs-without-genetlink"));
    let launcher = launcher.as_ref();
    if let Some(file) = &arguments.kernel_only {
        let answers = kernel(&scenarios, launcher)?;
        return write(file, &scenarios, &answers);
    }
    if let Some(file) = &arguments.sockvs_only {
        let answers = sockvs(&scenarios, &arguments, launcher)?;
        return write(file, &scenarios, &answers);
    }
    let kernel = kernel(&scenarios, launcher)?;
    let ours = sockvs(&scenarios, &arguments, launcher)?;
    let mut report = Report::default();
    for (scenario, (kernel, ours)) in scenarios.iter().zip(kernel.iter().zip(&ours)) {
        for difference in report.compare(scenario, kernel, ours) {
            println!("{difference}");
        }
    }
    println!("{report}");
    Ok(report.is_clean())
}

/// The scenarios that are asked for.
fn scenarios(arguments: &Arguments) -> Result<Vec<Scenario>, String> {
    let scenarios: Result<Vec<_>, _> = arguments.files.iter().map(|f| Scenario::read(f)).collect();
    let mut scenarios = scenarios?;
    let has = |name: &String| scenarios.iter().any(|scenario| scenario.name == *name);
    if let Some(unknown) = arguments.only.iter().find(|name| !has(name)) {
        return Err(format!("there is no scenario {unknown}"));
    }
    scenarios
        .retain(|scenario| arguments.only.is_empty() || arguments.only.contains(&scenario.name));
    scenarios.retain(|scenario| {
        let lacks = scenario.lacks();
        if let Some(need) = lacks {
            println!("left out: {}: {need}", scenario.name);
        }
        lacks.is_none()
    });
    Ok(scenarios)
}

/// What the kernel's own IPVS says.
fn kernel(scenarios: &[Scenario], launcher: Option<&PathBuf>) -> Result<Vec<Vec<Answer>>, String> {
    let loaded = Command::new(binaries::installed("modprobe"))
        .arg("ip_vs")
        .status();
    if !loaded.is_ok_and(|status| status.success()) || !Path::new("/proc/net/ip_vs").exists() {
        return Err("this kernel has no ip_vs to compare with".to_owned());
    }
    run_all(scenarios, &Side::Kernel, launcher, "the kernel")
}

/// What sockvs says.
fn sockvs(
    scenarios: &[Scenario],
    arguments: &Arguments,
    launcher: Option<&PathBuf>,
) -> Result<Vec<Vec<Answer>>, String> {
    let (namespace, cgroup, folder) = (Namespace::new(), Cgroup::new(), Folder::new());
    let wrapped = arguments.wrapped;
    let (intercept, more): (_, &[&str]) = if wrapped {
        (Intercept::Seccomp, &[])
    } else {
        (Intercept::Bpf, &["--netns", "all"])
    };
    let daemon = Daemon::start(Place::new(&namespace), &cgroup, &folder, intercept, more);
    let side = if wrapped {
        let words = ["--socket".into(), daemon.socket().into()];
        let proc = arguments.proc.then(|| PathBuf::from("--proc"));
        let exec = [PathBuf::from("exec")].into_iter().chain(proc);
        let exec = exec.chain([PathBuf::from("--")]);
        let program = [binaries::ours("sockvs")];
        Side::Wrapped(program.into_iter().chain(words).chain(exec).collect())
    } else {
        Side::Transparent
    };
    run_all(scenarios, &side, launcher, "sockvs")
}

/// The answers to each scenario.
fn run_all(
    scenarios: &[Scenario],
    side: &Side,
    launcher: Option<&PathBuf>,
    who: &str,
) -> Result<Vec<Vec<Answer>>, String> {
    let mut all = Vec::new();
    for scenario in scenarios {
        let start = Instant::now();
        let answers = run(scenario, side, launcher)?;
        let (name, steps, took) = (&scenario.name, answers.len(), start.elapsed());
        eprintln!(
            "{who}: {name}: {steps} steps in {:.1} s",
            took.as_secs_f32()
        );
        all.push(answers);
    }
    Ok(all)
}

/// Writes down what one side said.
fn write(file: &Path, scenarios: &[Scenario], answers: &[Vec<Answer>]) -> Result<bool, String> {
    let texts = scenarios.iter().zip(answers);
    let text: String = texts
        .map(|(scenario, said)| record(scenario, said))
        .collect();
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(true)
}
