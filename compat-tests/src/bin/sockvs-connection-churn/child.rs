//! Other processes, which have sockets of ours or of their own, and how they end.

use std::{
    env,
    io::{self, BufRead as _, BufReader},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    time::Duration,
};

use compat_tests::answering::{errno, parse};
use nix::errno::Errno;

use crate::tally::Tally;

/// What the crowd prints when all its sockets are open.
pub(crate) const READY: &str = "ready";

/// Another process.
pub(crate) struct Child {
    child: std::process::Child,
    kind: Kind,
}

enum Kind {
    /// It has a socket of ours, and ends by itself.
    Holding,
    /// It has sockets of its own, and is killed.
    Crowd,
}

impl Child {
    /// A process that has this socket, too, and is the last one.
    pub(crate) fn holding(socket: OwnedFd, milliseconds: u16) -> Result<Self, Errno> {
        let child = ourselves()?
            .args(["hold", &milliseconds.to_string()])
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .spawn()
            .map_err(errno)?;
        let kind = Kind::Holding;
        Ok(Self { child, kind })
    }

    /// A process that has sockets of its own, and says so (`READY`) when all are open.
    pub(crate) fn crowd(child: std::process::Child) -> Self {
        let kind = Kind::Crowd;
        Self { child, kind }
    }

    /// Waits for its end, or kills it when it has said what it made.
    pub(crate) fn finish(mut self, tally: &mut Tally) -> Result<(), Errno> {
        if let Kind::Crowd = self.kind {
            let output = self.child.stdout.take().ok_or(Errno::EPIPE)?;
            let mut is_ready = false;
            for line in BufReader::new(output).lines() {
                let line = line.map_err(errno)?;
                is_ready = line == READY;
                if is_ready {
                    break;
                }
                tally.add_line(&line)?;
            }
            if !is_ready {
                return Err(Errno::EPIPE);
            }
            self.child.kill().map_err(errno)?;
            tally.outcome("killed");
        }
        self.child.wait().map_err(errno)?;
        Ok(())
    }
}

/// This program, to be run once more.
pub(crate) fn ourselves() -> Result<Command, Errno> {
    let path = env::current_exe().map_err(errno)?;
    Ok(Command::new(path))
}

/// Such a process: keeps its standard input open for a while.
pub(crate) fn hold(milliseconds: &str) -> io::Result<()> {
    let milliseconds = parse(milliseconds)?;
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(())
}
