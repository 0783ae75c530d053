//! A cgroup of a test's own. The daemon balances the connections of its processes, and of no
//! others.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::process::{leftovers::clean_up, name};

/// How long processes may take to end by themselves: a wrapped client's supervisor ends a moment
/// after the client.
const GRACE: Duration = Duration::from_secs(3);

/// A cgroup. Its processes end when it is dropped, and it goes.
#[derive(Debug)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes one, right below the root of the cgroup2 hierarchy.
    ///
    /// # Panics
    ///
    /// When there is no such hierarchy, or it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        Self::below(&cgroup2())
    }

    /// Makes one in this one. It has to go first.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn child(&self) -> Self {
        Self::below(&self.0)
    }

    fn below(parent: &Path) -> Self {
        let path = parent.join(name::unique());
        fs::create_dir(&path)
            .unwrap_or_else(|error| panic!("cannot make the cgroup {}: {error}", path.display()));
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The processes in it.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        let list = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        list.lines()
            .filter_map(|line| line.parse().ok())
            .map(Pid::from_raw)
            .collect()
    }

    /// Waits for its processes to end, and says which do not.
    #[must_use]
    pub fn wait_until_empty(&self) -> Vec<Pid> {
        let deadline = Instant::now() + GRACE;
        loop {
            let processes = self.processes();
            if processes.is_empty() || Instant::now() > deadline {
                return processes;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Default for Cgroup {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        clean_up(|| {
            let remaining = self.wait_until_empty();
            let names: Vec<String> = remaining.iter().map(|pid| describe(*pid)).collect();
            for pid in &remaining {
                // All processes in this cgroup were started by this test.
                let _ = kill(*pid, Signal::SIGKILL);
            }
            let undead = self.wait_until_empty();
            // A process that has ended may be on its way out of the cgroup still.
            let deadline = Instant::now() + GRACE;
            while let Err(error) = fs::remove_dir(&self.0) {
                if error.kind() != io::ErrorKind::ResourceBusy || Instant::now() > deadline {
                    return Err(format!("the cgroup {}: {error}", self.0.display()));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            if names.is_empty() {
                return Ok(());
            }
            Err(format!(
                "processes {names:?}, of which {undead:?} do not die"
            ))
        });
    }
}

fn describe(pid: Pid) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{pid} {}", name.trim_end())
}

/// Where the cgroup2 hierarchy is mounted.
fn cgroup2() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("cannot read the list of mounts");
    mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&"cgroup2"))
        .and_then(|fields| fields.get(1).map(PathBuf::from))
        .expect("no cgroup2 hierarchy is mounted")
}
