//! Other processes: one that shares a socket and closes it last, and one with many sockets that is
//! killed.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Write as _},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    time::Duration,
};

use compat_tests::{
    answering::{errno, parse},
    random::Random,
};
use nix::errno::Errno;

use crate::{Targets, datagrams, streams, tally::Tally};

/// What the crowd prints when all its sockets are open.
const READY: &str = "ready";

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

/// Starting a crowd.
pub(crate) struct Crowd;

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

impl Crowd {
    /// Starts a process that opens sockets to all services.
    pub(crate) fn start(random: &mut Random, targets: &Targets) -> Result<Child, Errno> {
        let (seed, number) = (random.any(), 50 + random.below(150));
        let mut child = ourselves()?
            .args(["crowd", &seed.to_string(), &number.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(errno)?;
        let mut input = child.stdin.take().ok_or(Errno::EPIPE)?;
        let lists = [("tcp", &targets.streams), ("udp", &targets.datagrams)];
        for (kind, services) in lists {
            for service in services {
                writeln!(input, "{kind} {service}").map_err(errno)?;
            }
        }
        let kind = Kind::Crowd;
        Ok(Child { child, kind })
    }
}

fn ourselves() -> Result<Command, Errno> {
    let path = env::current_exe().map_err(errno)?;
    Ok(Command::new(path))
}

/// Such a process: keeps its standard input open for a while.
pub(crate) fn hold(milliseconds: &str) -> io::Result<()> {
    let milliseconds = parse(milliseconds)?;
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(())
}

/// Such a process: reads where to connect, opens sockets, says so, and waits.
pub(crate) fn crowd(seed: &str, number: &str) -> io::Result<()> {
    let (mut random, number) = (Random::new(parse(seed)?), parse::<u16>(number)?);
    let mut targets = Targets::default();
    for line in io::stdin().lines() {
        let line = line?;
        let (kind, service) = line.split_once(' ').ok_or(Errno::EINVAL)?;
        let list = match kind {
            "tcp" => &mut targets.streams,
            _ => &mut targets.datagrams,
        };
        list.push(parse(service)?);
    }
    let mut tally = Tally::default();
    let mut open = Vec::new();
    for _ in 0..number {
        if random.once_in(5) {
            let service = random.one_of(&targets.datagrams);
            let socket = datagrams::new(service)?;
            datagrams::connect_to(&socket, service, &mut tally)?;
            open.push(socket);
        } else {
            let service = random.one_of(&targets.streams);
            let socket = streams::new(service)?;
            streams::begin(&socket, service, &mut tally)?;
            open.push(socket);
        }
    }
    let mut output = io::stdout().lock();
    for line in tally.lines() {
        writeln!(output, "{line}")?;
    }
    writeln!(output, "{READY}")?;
    output.flush()?;
    loop {
        // It is killed.
        std::thread::sleep(Duration::from_secs(60));
    }
}
