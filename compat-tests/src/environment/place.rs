//! Where a process runs: in which network namespace and in which cgroup.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::Command,
};

use nix::sched::{CloneFlags, setns};

use crate::environment::{cgroup::Cgroup, namespace::Namespace};

/// A place to start processes in.
#[derive(Debug)]
pub struct Place {
    namespace: File,
    cgroup: Option<File>,
}

impl Place {
    /// In `namespace`, and in the cgroup that this process is in.
    #[must_use]
    pub fn new(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.open(),
            cgroup: None,
        }
    }

    /// In `cgroup`.
    ///
    /// # Panics
    ///
    /// When the cgroup is gone.
    #[must_use]
    pub fn in_cgroup(self, cgroup: &Cgroup) -> Self {
        let processes = OpenOptions::new()
            .write(true)
            .open(cgroup.path().join("cgroup.procs"));
        Self {
            cgroup: Some(processes.expect("cannot open the cgroup")),
            ..self
        }
    }

    /// A command that will run there.
    ///
    /// # Panics
    ///
    /// When this process has no descriptors left.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let copy = |file: &File| file.try_clone().expect("no file descriptors left");
        let (namespace, cgroup) = (copy(&self.namespace), self.cgroup.as_ref().map(copy));
        let mut command = Command::new(program);
        // SAFETY: what runs in the copy of this process is two system calls on descriptors that it
        // owns. It takes no lock and no memory.
        unsafe {
            command.pre_exec(move || go(&namespace, cgroup.as_ref()));
        }
        command
    }
}

/// Brings the calling process to a place.
fn go(namespace: &File, cgroup: Option<&File>) -> io::Result<()> {
    if let Some(mut processes) = cgroup {
        // To a cgroup, 0 is the process that writes it.
        processes.write_all(b"0")?;
    }
    Ok(setns(namespace, CloneFlags::CLONE_NEWNET)?)
}
