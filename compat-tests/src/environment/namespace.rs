//! A network namespace of a test's own.
//!
//! Everything that has to do with the network happens in one, so that tests can run side by side
//! with the same addresses, and nothing on this machine is disturbed.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use nix::sched::{CloneFlags, setns};

use crate::process::{binaries, leftovers::clean_up, name, program};

/// A network namespace, with nothing in it but a loopback interface that is up.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    path: PathBuf,
}

impl Namespace {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let name = name::unique();
        ip(&["netns", "add", &name]).expect_success();
        let namespace = Self {
            path: Path::new("/run/netns").join(&name),
            name,
        };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Its name for `ip netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A handle to it.
    ///
    /// # Panics
    ///
    /// When it is gone.
    #[must_use]
    pub fn open(&self) -> File {
        File::open(&self.path)
            .unwrap_or_else(|error| panic!("cannot open {}: {error}", self.path.display()))
    }

    /// Runs `ip` for it, which must succeed.
    ///
    /// # Panics
    ///
    /// When `ip` fails.
    pub fn ip(&self, arguments: &[&str]) -> String {
        let arguments = [&["-n", self.name.as_str()], arguments].concat();
        ip(&arguments).expect_success()
    }

    /// Runs many commands of `ip` at once, one on each line. Each must succeed.
    ///
    /// # Panics
    ///
    /// When one fails.
    pub fn ip_batch(&self, commands: &str) {
        let mut command = Command::new(binaries::installed("ip"));
        command.args(["-n", &self.name, "-batch", "-"]);
        program::run_with_input(command, commands).expect_success();
    }

    /// Gives its loopback interface one more address, of which `ADDRESS/PREFIX` is the form.
    pub fn add_address(&self, address: &str) {
        let mut arguments = vec!["address", "add", address, "dev", "lo"];
        if address.contains(':') {
            arguments.push("nodad");
        }
        self.ip(&arguments);
    }

    /// Runs `what` in it, on another thread. A socket that is made there stays in the namespace.
    ///
    /// # Panics
    ///
    /// When it cannot be entered, or `what` panics.
    pub fn enter<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let namespace = self.open();
        let inside = thread::scope(|scope| {
            let thread = scope.spawn(move || {
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("cannot enter the namespace");
                what()
            });
            thread.join()
        });
        inside.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        clean_up(|| {
            let outcome = ip(&["netns", "del", &self.name]);
            if outcome.status.success() {
                return Ok(());
            }
            Err(format!("the network namespace {}: {outcome}", self.name))
        });
    }
}

fn ip(arguments: &[&str]) -> program::Outcome {
    let mut command = Command::new(binaries::installed("ip"));
    command.args(arguments);
    program::run(command)
}
