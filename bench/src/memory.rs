//! The memory that a large table takes: the daemon's own, and its maps'.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result};
use compat_tests::Daemon;
use serde_json::Value;

use crate::{
    balancers,
    config::Config,
    control::Table,
    figure::{Clock, Figure, Line, Unit},
    lab::Lab,
    output::{emit, progress},
    process::bpftool,
};

/// Its name on the command line.
pub(crate) const NAME: &str = "memory";
const TABLE: Table = Table {
    services: 100_000,
    servers: 5,
};
/// Maps of maps, whose chunks are not pinned themselves.
const CHUNKED: [&str; 3] = ["SERVICE_RECORDS", "DESTINATION_RECORDS", "SLOTS"];

/// Programs the table, and looks.
pub(crate) fn measure(config: &Config) -> Result<()> {
    // To load it takes long, and the virtual machine's kernel tells what maps could grow to.
    let is_told = config.effort.clock == Clock::Real && !config.effort.quick;
    if !config.wants(NAME) || !is_told {
        return Ok(());
    }
    let lab = Lab::new();
    let (daemon, client) = balancers::start_sockvs(&lab, config.intercept);
    progress(&format!("loading {}", TABLE.name()));
    let empty = usage(&daemon)?;
    balancers::load(&client, &lab.folder, TABLE.rules())?;
    let full = usage(&daemon)?;
    progress(&format!(
        "daemon and maps, MB: {empty:.1?}, then {full:.1?}"
    ));
    for (part, value) in [
        ("daemon", full[0]),
        ("maps", full[1]),
        ("daemon + maps", full[0] + full[1]),
    ] {
        emit(&Line::Figure(Figure {
            workload: format!("memory: {part}"),
            table: TABLE.name(),
            balancer: balancers::SOCKVS.to_owned(),
            unit: Unit::Megabytes,
            values: vec![value],
            absent: None,
        }))?;
    }
    drop(daemon);
    Ok(())
}

/// Megabytes: the daemon's without the maps that it has mapped, and all maps'.
fn usage(daemon: &Daemon) -> Result<[f64; 2]> {
    Ok([own(daemon.pid())?, maps(daemon)?])
}

fn own(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/smaps");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let mut kilobytes = 0_u32;
    let mut is_map = false;
    for line in text.lines() {
        match line.strip_prefix("Rss:") {
            Some(rss) if !is_map => {
                kilobytes += rss.trim().trim_end_matches(" kB").parse::<u32>()?;
            }
            Some(_) => {}
            // The heading of a mapping has no colon behind its first word.
            None if !line.split(' ').next().unwrap_or("").ends_with(':') => {
                is_map = line.contains("bpf-map");
            }
            None => {}
        }
    }
    Ok(f64::from(kilobytes) / 1024.0)
}

fn maps(daemon: &Daemon) -> Result<f64> {
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(daemon.pin_dir())? {
        let path = entry?.path().to_string_lossy().into_owned();
        // Links are pinned there, too.
        let Ok(map) = bpftool::<Value>(&["map", "show", "pinned", &path]) else {
            continue;
        };
        ids.extend(map["id"].as_u64());
        if CHUNKED
            .iter()
            .any(|name| map["name"].as_str() == Some(&name[..name.len().min(15)]))
        {
            let chunks: Value = bpftool(&["map", "dump", "pinned", &path])?;
            let chunks = chunks.as_array().context("bpftool dumps a list")?;
            ids.extend(chunks.iter().filter_map(chunk_id));
        }
    }
    let mut bytes = 0;
    for id in ids {
        let map: Value = bpftool(&["map", "show", "id", &id.to_string()])?;
        bytes += map["bytes_memlock"].as_u64().unwrap_or(0);
    }
    let kilobytes = u32::try_from(bytes / 1024)?;
    Ok(f64::from(kilobytes) / 1024.0)
}

/// The map that an entry of a map of maps leads to: bytes, the lowest first.
fn chunk_id(entry: &Value) -> Option<u64> {
    let bytes = entry["value"].as_array()?;
    bytes.iter().rev().try_fold(0, |id, byte| {
        let byte = byte.as_str()?.trim_start_matches("0x");
        Some(id << 8 | u64::from_str_radix(byte, 16).ok()?)
    })
}
