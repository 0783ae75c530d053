//! Very many connections of all kinds, made on several threads, and an exact account of them.
//!
//! Requests come line by line: `server SOURCE ADDRESS`, `service tcp|udp|silent ADDRESS`, `begin
//! SEED CONNECTIONS THREADS`, `progress`, `end`. A server answers TCP and UDP at its address. The
//! route to it has to give connections the address SOURCE: by `getsockname` this program knows
//! which server a connection was given, which nothing else would tell it of connections that fail.
//! `end` gives the account, see `tally`. Run as `sockvs-connection-churn crowd SEED NUMBER` it
//! opens sockets and waits to be killed, as `sockvs-connection-churn hold MILLISECONDS` it keeps
//! its standard input open.

mod child;
mod crowd;
mod datagrams;
mod server;
mod streams;
mod tally;
mod targets;

use std::{
    env, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use compat_tests::{
    answering::{self, parse},
    random::Random,
};
use nix::{
    errno::Errno,
    sys::resource::{Resource, setrlimit},
};

use tally::Tally;
use targets::Targets;

/// Descriptors for all that is open at once, the servers' side included.
const DESCRIPTORS: u64 = 20_000;

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {}
        ["hold", milliseconds] => return child::hold(milliseconds),
        ["crowd", seed, number] => return crowd::run(seed, number),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    }
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS)?;
    let mut churn = Churn::default();
    answering::answer(|verb, words| churn.answer(verb, words))
}

#[derive(Default)]
struct Churn {
    targets: Targets,
    servers: Vec<server::Server>,
    made: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<Tally, Errno>>>,
}

impl Churn {
    fn answer(&mut self, verb: &str, words: &[&str]) -> Result<Vec<String>, Errno> {
        match (verb, words) {
            ("server", &[source, address]) => {
                let server = server::Server::start(source, parse(address)?)?;
                self.servers.push(server);
                Ok(vec![])
            }
            ("service", &[kind, address]) => {
                let list = match kind {
                    "tcp" => &mut self.targets.streams,
                    "udp" => &mut self.targets.datagrams,
                    "silent" => &mut self.targets.silent,
                    _ => return Err(Errno::EINVAL),
                };
                list.push(parse(address)?);
                Ok(vec![])
            }
            ("begin", &[seed, connections, threads]) => {
                let (seed, connections): (u64, u64) = (parse(seed)?, parse(connections)?);
                let threads: u64 = parse(threads)?;
                self.made.store(0, Ordering::Relaxed);
                for number in 0..threads {
                    let targets = self.targets.clone();
                    let made = Arc::clone(&self.made);
                    let random = Random::new(seed.wrapping_mul(1000) + number);
                    let work = move || churn(random, &targets, connections, &made);
                    self.threads.push(thread::spawn(work));
                }
                Ok(vec![])
            }
            ("progress", []) => Ok(vec![self.made.load(Ordering::Relaxed).to_string()]),
            ("end", []) => {
                let mut all = Tally::default();
                for thread in self.threads.drain(..) {
                    all.add(thread.join().map_err(|_| Errno::EFAULT)??);
                }
                self.servers.clear();
                Ok(all.lines())
            }
            _ => Err(Errno::ENOSYS),
        }
    }
}

/// One thread's part: until all threads together have made that many connections.
fn churn(
    mut random: Random,
    targets: &Targets,
    connections: u64,
    made: &AtomicU64,
) -> Result<Tally, Errno> {
    let mut tally = Tally::default();
    let mut children = Vec::new();
    let mut silent = Vec::new();
    let mut counted = 0;
    while made.load(Ordering::Relaxed) < connections {
        match random.below(2000) {
            0 => children.push(crowd::start(&mut random, targets)?),
            1 | 2 => silent.extend(streams::to_nowhere(&mut random, targets, &mut tally)?),
            3..200 => datagrams::some(&mut random, targets, &mut tally)?,
            _ => streams::one(&mut random, targets, &mut tally, &mut children)?,
        }
        // Not too many processes at once.
        if children.len() > 20 {
            children.remove(0).finish(&mut tally)?;
        }
        let now = tally.connections();
        made.fetch_add(now - counted, Ordering::Relaxed);
        counted = now;
    }
    for child in children {
        child.finish(&mut tally)?;
    }
    for socket in silent {
        streams::wait_until_it_fails(&socket, &mut tally)?;
    }
    Ok(tally)
}
