//! Programs, maps and links in the kernel, as bpftool lists them.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

use crate::process::{binaries, program};

/// The ids of some of them. The kernel gives no id twice for a long time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BpfObjects {
    /// Programs.
    pub programs: BTreeSet<u64>,
    /// Maps.
    pub maps: BTreeSet<u64>,
    /// Links.
    pub links: BTreeSet<u64>,
}

impl BpfObjects {
    /// What a process has open and what is pinned in a folder, with the programs behind the links
    /// and the maps behind the programs.
    ///
    /// # Panics
    ///
    /// When bpftool does not work.
    #[must_use]
    pub fn of(pid: u32, pins: &Path) -> Self {
        let mut found = Self {
            programs: opened(pid, "prog_id:"),
            maps: opened(pid, "map_id:"),
            links: opened(pid, "link_id:"),
        };
        let pins = pins.to_string_lossy().into_owned();
        let pinned = |object: &Value| {
            let places = object["pinned"].as_array().into_iter().flatten();
            places
                .filter_map(Value::as_str)
                .any(|place| place.starts_with(&pins))
        };
        for link in list("link") {
            if pinned(&link) || found.links.contains(&id(&link)) {
                found.links.insert(id(&link));
                found.programs.extend(link["prog_id"].as_u64());
            }
        }
        for program in list("prog") {
            if pinned(&program) || found.programs.contains(&id(&program)) {
                found.programs.insert(id(&program));
                let maps = program["map_ids"].as_array().into_iter().flatten();
                found.maps.extend(maps.filter_map(Value::as_u64));
            }
        }
        found
            .maps
            .extend(list("map").iter().filter(|map| pinned(map)).map(id));
        found
    }

    /// Those that the kernel still has.
    ///
    /// # Panics
    ///
    /// When bpftool does not work.
    #[must_use]
    pub fn remaining(&self) -> Self {
        let still = |kind, known: &BTreeSet<u64>| {
            let all: BTreeSet<_> = list(kind).iter().map(id).collect();
            known & &all
        };
        Self {
            programs: still("prog", &self.programs),
            maps: still("map", &self.maps),
            links: still("link", &self.links),
        }
    }
}

/// The programs that are attached to a cgroup.
///
/// # Panics
///
/// When bpftool does not work.
#[must_use]
pub fn attached_to(cgroup: &Path) -> Vec<Value> {
    bpftool(&["cgroup", "show", &cgroup.to_string_lossy()])
}

fn list(kind: &str) -> Vec<Value> {
    bpftool(&["--bpffs", kind, "show"])
}

fn bpftool(words: &[&str]) -> Vec<Value> {
    let mut command = Command::new(binaries::installed("bpftool"));
    command.arg("--json").args(words);
    let said = program::run(command).expect_success();
    // Of an empty list it may say nothing at all.
    let parsed = serde_json::from_str(if said.trim().is_empty() { "[]" } else { &said });
    match parsed {
        Ok(Value::Array(objects)) => objects,
        other => panic!("bpftool {words:?}: {other:?}: {said}"),
    }
}

fn id(object: &Value) -> u64 {
    object["id"].as_u64().expect("everything has an id")
}

/// What the kernel says of a process's descriptors.
fn opened(pid: u32, what: &str) -> BTreeSet<u64> {
    let folder = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("the process runs");
    let texts = folder
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts
        .filter_map(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix(what))?;
            line.trim().parse().ok()
        })
        .collect()
}
