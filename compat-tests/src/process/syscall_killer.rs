//! Killing a process at a given step: before its nth system call from now on, or after it.
//!
//! The program `sockvs-kill-at-syscall` does it, because only the thread that traces a process may
//! go on with it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use crate::process::{binaries, leftovers::clean_up};

/// A process that will be killed.
#[derive(Debug)]
pub struct SyscallKiller(Child);

impl SyscallKiller {
    /// From now on the process's steps are counted: two for each system call of each thread. It is
    /// killed at step `at`.
    ///
    /// # Panics
    ///
    /// When it cannot be traced.
    #[must_use]
    pub fn begin(pid: u32, at: u32) -> Self {
        let mut command = Command::new(binaries::ours("sockvs-kill-at-syscall"));
        command.arg(pid.to_string()).arg(at.to_string());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cannot start sockvs-kill-at-syscall");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe was asked for");
        let read = BufReader::new(stdout).read_line(&mut line);
        assert_eq!(
            line, "ready\n",
            "sockvs-kill-at-syscall cannot trace {pid}: {read:?}"
        );
        Self(child)
    }

    /// The process is gone, by this or in another way: whether it was by this.
    ///
    /// # Panics
    ///
    /// When the program cannot be waited for.
    #[must_use]
    pub fn has_killed(mut self) -> bool {
        self.0.wait().expect("it is ours").success()
    }
}

impl Drop for SyscallKiller {
    fn drop(&mut self) {
        clean_up(|| match self.0.try_wait() {
            Ok(Some(_)) => Ok(()),
            _ => {
                let _ = self.0.kill();
                let _ = self.0.wait();
                Err("a sockvs-kill-at-syscall whose process lives".to_owned())
            }
        });
    }
}
