//! What a process costs: memory, descriptors, threads.

use std::{fmt, fs, time::Duration};

use crate::process::eventually::eventually;

/// How long it may take until something unused is released.
const GRACE: Duration = Duration::from_secs(30);

/// A process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Memory that is its own at this moment, in KiB.
    pub resident: u64,
    /// The most that this has ever been.
    pub peak: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
}

impl Vitals {
    /// Those of a process.
    ///
    /// # Panics
    ///
    /// When it has ended.
    #[must_use]
    #[track_caller]
    pub fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            number.unwrap_or_else(|| panic!("process {pid} has ended"))
        };
        let entries = |folder: &str| {
            let folder = fs::read_dir(format!("/proc/{pid}/{folder}"));
            folder.map_or(0, Iterator::count)
        };
        Self {
            resident: kib("VmRSS:"),
            peak: kib("VmHWM:"),
            descriptors: entries("fd"),
            threads: entries("task"),
        }
    }

    /// Waits until the process has no more descriptors and threads than it had here.
    ///
    /// # Panics
    ///
    /// When it keeps more, or has ended.
    #[track_caller]
    pub fn expect_again(&self, pid: u32) {
        eventually(GRACE, || {
            let now = Self::of(pid);
            if now.descriptors <= self.descriptors && now.threads <= self.threads {
                Ok(())
            } else {
                Err(format!("before: {self}; now: {now}"))
            }
        });
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resident,
            peak,
            descriptors,
            threads,
        } = self;
        write!(
            f,
            "{resident} KiB (at most {peak}), {descriptors} descriptors, {threads} threads"
        )
    }
}
