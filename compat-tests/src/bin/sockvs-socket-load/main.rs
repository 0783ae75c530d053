//! Sockets by the ten thousands, as one user of the machine makes them who is malicious, or is
//! just busy.
//!
//! Run as `sockvs-socket-load USER`, by root: takes all the descriptors that there may be, becomes
//! the user with this number, and answers requests, line by line. What it has opened by then stays
//! open until `close`, or until the standard input ends.
//!
//! | request | what it does |
//! | --- | --- |
//! | `listen ADDRESS` | listens, with room for very many connections, and accepts none |
//! | `stranded NUMBER ADDRESS` | `failing`: connects that fail before they begin, then `listen` |
//! | `mptcp NUMBER ADDRESS` | the same with multipath TCP |
//! | `unsent NUMBER ADDRESS` | the same with a connect that is deferred and taken back |
//! | `clients NUMBER ADDRESS` | `streams`: connects from so many addresses, and closes |
//! | `guests NUMBER ADDRESS` | the same, and they stay |
//! | `streams NUMBER ADDRESS` | connections that stay, from few addresses |
//! | `peers NUMBER` | the addresses that `getpeername` tells for one in a hundred of them |
//! | `unconnected NUMBER ADDRESS...` | `flows`: UDP sockets that send to each address |
//! | `ask ADDRESS` | a datagram of one more socket, and where the answer came from |
//! | `deferred NUMBER ADDRESS` | `deferred`: connections that begin when they first send |
//! | `send` | lets them begin |
//! | `target KIND ADDRESS`, `mixed SEED NUMBER` | `mixed`: everything there is, at random |
//! | `close` | closes what is open |
//!
//! An answer is lines of a name and a number: how often what came of it.

mod deferred;
mod failing;
mod flows;
mod handover;
mod mixed;
mod rights;
mod sockets;
mod streams;
mod tally;

use std::{env, io, net::SocketAddr, os::fd::OwnedFd};

use compat_tests::answering::{self, parse};
use nix::errno::Errno;

use tally::Tally;

fn main() -> io::Result<()> {
    let user = env::args().nth(1).and_then(|word| word.parse().ok());
    rights::become_user(user.ok_or(io::ErrorKind::InvalidInput)?)?;
    let mut load = Load::default();
    answering::answer(|verb, words| load.answer(verb, words))
}

/// What is open, and where to.
#[derive(Default)]
struct Load {
    listening: Vec<OwnedFd>,
    streams: Vec<OwnedFd>,
    datagrams: Vec<OwnedFd>,
    deferred: Vec<OwnedFd>,
    targets: mixed::Targets,
}

impl Load {
    fn answer(&mut self, verb: &str, words: &[&str]) -> Result<Vec<String>, Errno> {
        let mut tally = Tally::default();
        match (verb, words) {
            ("listen", &[address]) => self.listening.push(sockets::listener(parse(address)?)?),
            ("stranded", &[number, address]) => {
                failing::stranded(parse(number)?, parse(address)?, &mut tally)?;
            }
            ("mptcp", &[number, address]) => {
                failing::mptcp(parse(number)?, parse(address)?, &mut tally)?;
            }
            ("unsent", &[number, address]) => {
                failing::unsent(parse(number)?, parse(address)?, &mut tally)?;
            }
            ("clients", &[number, address]) => {
                streams::clients(parse(number)?, parse(address)?, None, &mut tally)?;
            }
            ("guests", &[number, address]) => {
                let (number, open) = (parse(number)?, Some(&mut self.streams));
                streams::clients(number, parse(address)?, open, &mut tally)?;
            }
            ("streams", &[number, address]) => {
                let to = parse(address)?;
                streams::open(parse(number)?, to, &mut self.streams, &mut tally)?;
            }
            ("peers", &[number]) => {
                streams::peers(parse(number)?, &self.streams, &mut tally)?;
            }
            ("unconnected", &[number, ref addresses @ ..]) => {
                let services = parse_all(addresses)?;
                flows::send(parse(number)?, &services, &mut self.datagrams, &mut tally)?;
            }
            ("ask", &[address]) => return Ok(vec![flows::ask(parse(address)?)?]),
            ("deferred", &[number, address]) => {
                deferred::open(parse(number)?, parse(address)?, &mut self.deferred)?;
            }
            ("send", []) => deferred::send(&self.deferred, &mut tally)?,
            ("target", &[kind, address]) => self.targets.add(kind, parse(address)?)?,
            ("mixed", &[seed, number]) => {
                mixed::cycles(parse(seed)?, parse(number)?, &self.targets, &mut tally)?;
            }
            ("close", []) => {
                for open in [
                    &mut self.listening,
                    &mut self.streams,
                    &mut self.datagrams,
                    &mut self.deferred,
                ] {
                    open.clear();
                }
            }
            _ => return Err(Errno::ENOSYS),
        }
        Ok(tally.lines())
    }
}

fn parse_all(words: &[&str]) -> Result<Vec<SocketAddr>, Errno> {
    words.iter().map(|word| parse(word)).collect()
}
