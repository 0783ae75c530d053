//! Running other people's programs for as long as they take.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use compat_tests::binaries;
use serde::de::DeserializeOwned;

use crate::interrupt;

/// Runs a program that reads `input`, if there is any, and throws away what it prints. It must
/// succeed. Nothing looks at it meanwhile: where there is one processor, that would be in its way.
pub(crate) fn time(mut command: Command, input: Option<&Path>) -> Result<Duration> {
    let stdin = match input {
        Some(path) => File::open(path)
            .with_context(|| format!("cannot open {}", path.display()))?
            .into(),
        None => Stdio::null(),
    };
    command.stdin(stdin).stdout(Stdio::null());
    let name = command.get_program().to_string_lossy().into_owned();
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let status = interrupt::wait(&mut child)?;
    let taken = start.elapsed();
    interrupt::check()?;
    if !status.success() {
        bail!(
            "{name} {:?}: {status}",
            command.get_args().collect::<Vec<_>>()
        );
    }
    Ok(taken)
}

/// Runs a program and gives what it prints. It must succeed.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    interrupt::check()?;
    if !output.status.success() {
        bail!(
            "{name} {:?}: {}\n{}",
            command.get_args().collect::<Vec<_>>(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What `bpftool` tells.
pub(crate) fn bpftool<T: DeserializeOwned>(words: &[&str]) -> Result<T> {
    let mut command = Command::new(binaries::installed("bpftool"));
    command.arg("--json").args(words);
    Ok(serde_json::from_str(&output(command)?)?)
}
