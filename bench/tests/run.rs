//! The whole program, in its shortest form: it measures what it says, and leaves nothing behind.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

fn bench(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockvs-bench"));
    command.args(words).stdin(Stdio::null());
    command
}

fn measure() -> Command {
    bench(&["measure", "--quick", "--services", "1", "--only", "connect"])
}

#[test]
fn a_quick_run_measures_every_way_of_balancing_or_says_why_not() {
    let output = measure().output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{complaints}", output.status);
    let lines: Vec<Value> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let figures: Vec<&Value> = lines.iter().filter_map(|line| line.get("figure")).collect();
    let balancers: Vec<&str> = figures
        .iter()
        .map(|figure| figure["balancer"].as_str().unwrap())
        .collect();
    let all = [
        "direct", "sockvs", "iptables", "nftables", "IPVS -g", "IPVS -m",
    ];
    for balancer in all {
        assert!(
            balancers.contains(&balancer),
            "no {balancer} in {balancers:?}"
        );
    }
    for figure in figures {
        let values = figure["values"].as_array().unwrap();
        let plausible = |value: &Value| (1_000.0..1e9).contains(&value.as_f64().unwrap());
        if figure["absent"].is_null() {
            // Connections that did not get to the server would have ended the run.
            assert!(
                !values.is_empty() && values.iter().all(plausible),
                "{figure}"
            );
        } else {
            let measured_everywhere = ["direct", "sockvs"].map(Value::from);
            assert!(
                !measured_everywhere.contains(&figure["balancer"]),
                "{figure}"
            );
        }
    }
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let mut child = measure()
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap()).lines();
    let measuring = progress.any(|line| line.unwrap().contains("round"));
    assert!(measuring, "it ends before it measures");
    assert!(
        !left_of(&child).is_empty(),
        "a run makes things that could be left behind"
    );
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let rest: Vec<String> = progress.map(Result::unwrap).collect();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{rest:#?}");
    assert_eq!(left_of(&child), Vec::<String>::new(), "{rest:#?}");
}

/// What there is in places that outlive a process, and has this one's number in its name.
fn left_of(child: &Child) -> Vec<String> {
    let name = format!("sockvs-test-{}-", child.id());
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts can be listed");
    let cgroups = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&"cgroup2"))
        .expect("a cgroup2 hierarchy is mounted");
    let places = ["/run/netns", "/sys/fs/bpf", "/tmp", cgroups[1]];
    places
        .iter()
        .filter_map(|place| fs::read_dir(Path::new(place)).ok())
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path().to_string_lossy().into_owned())
        .filter(|path| path.contains(&name))
        .collect()
}

#[test]
fn a_workload_that_does_not_exist_is_refused_with_those_that_do() {
    let output = bench(&["measure", "--only", "connects"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        complaint.contains("connects") && complaint.contains("no-service"),
        "{complaint}"
    );
}
