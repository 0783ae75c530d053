//! Lines at the control socket, and what is answered.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sockvs_fuzz::bench::{Bench, NAMESPACES};
use sockvs_ipvs::{Namespace, Owner, Setting, Settings};
use sockvs_server::procfs::File;
use sockvs_server::{
    control::{Facts, Request, Status, reply},
    state::{Actor, IpvsState},
};

#[derive(Arbitrary, Debug)]
enum Line<'a> {
    Status,
    Connections,
    File(u8),
    Setting(u8),
    Change(u8, &'a str),
    Numbers(u8, i64, Option<i64>),
    Other(&'a str),
}

impl Line<'_> {
    fn text(&self) -> String {
        let setting = |number: u8| Setting::ALL[usize::from(number) % Setting::ALL.len()].name();
        match self {
            Self::Status => "status\n".to_owned(),
            Self::Connections => "connections\n".to_owned(),
            Self::File(number) => {
                let file = File::ALL[usize::from(*number) % File::ALL.len()];
                format!("file {}\n", file.name())
            }
            Self::Setting(number) => format!("setting {}\n", setting(*number)),
            Self::Change(number, text) => format!("setting {} {text}", setting(*number)),
            Self::Numbers(number, first, None) => format!("setting {} {first}", setting(*number)),
            Self::Numbers(number, first, Some(second)) => {
                format!("setting {} {first} {second}\n", setting(*number))
            }
            Self::Other(text) => (*text).to_owned(),
        }
    }
}

fuzz_target!(|lines: Vec<Line<'_>>| {
    let bench = Bench::default();
    let facts = Facts {
        version: "0".to_owned(),
        pid: 1,
        intercept: "none".to_owned(),
        intercept_reason: "fuzzing".to_owned(),
        cgroup: "/".into(),
        node_wide: false,
        pin_dir: "/".into(),
    };
    for line in lines {
        let line = line.text();
        // The daemon reads one line, and at most as much as this.
        let line = line.get(..256).unwrap_or(&line);
        let line = line.split_inclusive('\n').next().unwrap_or("");
        let before = bench.snapshot();
        let ask =
            |line: &str| answer(line, NAMESPACES[0], &facts, &bench.state).expect("an answer");
        let said = ask(line);
        bench.check();
        assert!(!said.contains('\n'), "an answer is one line: {said:?}");
        let said: Value = serde_json::from_str(&said).expect("an answer is JSON");
        match same_line(line) {
            Some(same) => {
                assert_eq!(same_line(&same).as_ref(), Some(&same));
                assert_eq!(said.to_string(), value(&ask(&same)).to_string());
            }
            None => assert_eq!(said["error"], "unknown request"),
        }
        let after = bench.snapshot();
        if said.get("error").is_some() {
            assert_eq!(before, after, "what is refused changes nothing");
        }
        settings_survive(&bench);
    }
    let status = answer("status", NAMESPACES[0], &facts, &bench.state).expect("an answer");
    let status: Status = serde_json::from_str(&status).expect("a status");
    assert!(status.namespaces.len() <= 1, "only one was asked for");
});

fn value(answer: &str) -> Value {
    serde_json::from_str(answer).expect("an answer is JSON")
}

/// The line that asks the same as this one, if it asks anything.
fn same_line(line: &str) -> Option<String> {
    Request::of(line).map(|request| request.line())
}

/// What the daemon answers to a line from this namespace.
fn answer(
    line: &str,
    ns: Namespace,
    facts: &Facts,
    state: &IpvsState,
) -> serde_json::Result<String> {
    let actor = Actor {
        pid: 0,
        namespace: ns,
        owner: Owner::Host,
    };
    reply(Request::of(line), actor, facts, state, &Vec::new)
}

/// The next daemon finds the settings as they are.
fn settings_survive(bench: &Bench) {
    let tables = bench.state.lock();
    if let Some(table) = tables.ipvs.table(NAMESPACES[0]) {
        let settings = table.settings();
        let again = Settings::from_all_numbers(&settings.all_numbers());
        for setting in Setting::ALL {
            assert_eq!(again.numbers(*setting), settings.numbers(*setting));
        }
    }
}
