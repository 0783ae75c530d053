//! A process with many sockets, which is killed when all of them are open.

use std::{
    io::{self, Write as _},
    process::Stdio,
    time::Duration,
};

use compat_tests::{
    answering::{errno, parse},
    random::Random,
};
use nix::errno::Errno;

use crate::{
    child::{Child, READY, ourselves},
    datagrams, streams,
    tally::Tally,
    targets::Targets,
};

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
    Ok(Child::crowd(child))
}

/// Such a process: reads where to connect, opens sockets, says so, and waits.
pub(crate) fn run(seed: &str, number: &str) -> io::Result<()> {
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
