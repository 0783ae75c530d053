//! An application that connects where a test tells it to, and says where it got.
//!
//! It uses the socket calls as they are, and knows nothing of sockvs. Requests come line by line:
//! `open ID KIND ADDRESS`, `say ID`, `peer ID`, `close ID`, `hammer ADDRESS THREADS`, `rest`; and
//! for UDP `udp ID KIND ADDRESS` (of which only the family counts), `connect ID ADDRESS`, `ask ID
//! [ADDRESS]`, `ask-many ID ADDRESS NUMBER`. What a KIND is, says `kind`. `sockets` has more.

mod datagrams;
mod kind;
mod sockets;

use std::{
    collections::HashMap,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::UnixDatagram,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use compat_tests::answering::{self, errno, parse};
use kind::Kind;
use nix::{
    errno::Errno,
    sys::{
        socket::{SockType, SockaddrStorage, connect, getpeername, setsockopt, sockopt},
        time::{TimeVal, TimeValLike as _},
    },
    time::{ClockId, clock_gettime},
};

fn main() -> io::Result<()> {
    let mut probe = Probe::default();
    answering::answer(|verb, words| probe.answer(verb, words))
}

#[derive(Default)]
struct Probe {
    connections: HashMap<String, TcpStream>,
    sockets: HashMap<String, (String, OwnedFd)>,
    mailbox: Option<UnixDatagram>,
    stop: Arc<AtomicBool>,
    hammers: Vec<JoinHandle<Vec<String>>>,
}

impl Probe {
    fn answer(&mut self, verb: &str, words: &[&str]) -> Result<Vec<String>, Errno> {
        match (verb, words) {
            ("open", &[id, kind, address]) => {
                let (connection, name) = open(&Kind::parse(kind)?, parse(address)?)?;
                self.connections.insert(id.to_owned(), connection);
                Ok(vec![name])
            }
            ("say", &[id]) => {
                let mut connection = self.connection(id)?;
                connection.write_all(b"hello\n").map_err(errno)?;
                let line = read_line(connection)?;
                let name = line.strip_suffix(" hello").ok_or(Errno::EPROTO)?;
                Ok(vec![name.to_owned()])
            }
            ("peer", &[id]) => {
                let descriptor = match self.sockets.get(id) {
                    Some((_, socket)) => socket.as_raw_fd(),
                    None => self.connection(id)?.as_raw_fd(),
                };
                let peer: SockaddrStorage = getpeername(descriptor)?;
                Ok(vec![peer.to_string()])
            }
            ("close", &[id]) => {
                let connection = self.connections.remove(id).map(drop);
                let socket = self.sockets.remove(id).map(drop);
                connection.or(socket).ok_or(Errno::EBADF)?;
                Ok(vec![])
            }
            ("udp", &[id, kind, address]) => {
                let socket = datagrams::open(&Kind::parse(kind)?, parse(address)?)?;
                self.sockets
                    .insert(id.to_owned(), (kind.to_owned(), socket));
                Ok(vec![])
            }
            ("connect", &[id, address]) => {
                let (kind, socket) = self.socket(id)?;
                datagrams::connect_to(socket, &kind, parse(address)?)?;
                Ok(vec![])
            }
            ("ask", &[id]) => {
                let (kind, socket) = self.socket(id)?;
                Ok(vec![datagrams::ask(socket, &kind, None)?])
            }
            ("ask", &[id, address]) => {
                let (kind, socket) = self.socket(id)?;
                Ok(vec![datagrams::ask(socket, &kind, Some(parse(address)?))?])
            }
            ("ask-many", &[id, address, number]) => {
                let (kind, socket) = self.socket(id)?;
                let number = parse(number)?;
                datagrams::ask_many(socket, &kind, parse(address)?, number)
            }
            ("hammer", &[address, threads]) => {
                let address = parse(address)?;
                let threads: usize = parse(threads)?;
                self.stop.store(false, Ordering::Relaxed);
                for _ in 0..threads {
                    let stop = Arc::clone(&self.stop);
                    self.hammers
                        .push(thread::spawn(move || hammer(address, &stop)));
                }
                Ok(vec![])
            }
            ("rest", []) => {
                self.stop.store(true, Ordering::Relaxed);
                let threads = self.hammers.drain(..);
                let all = threads.map(|thread| thread.join().map_err(|_| Errno::EFAULT));
                Ok(all.collect::<Result<Vec<_>, _>>()?.concat())
            }
            _ => self.answer_for_sockets(verb, words),
        }
    }

    fn socket(&self, id: &str) -> Result<(Kind<'_>, &OwnedFd), Errno> {
        let (kind, socket) = self.sockets.get(id).ok_or(Errno::EBADF)?;
        Ok((Kind::parse(kind)?, socket))
    }

    fn connection(&self, id: &str) -> Result<&TcpStream, Errno> {
        self.connections.get(id).ok_or(Errno::EBADF)
    }
}

/// Connects until told to stop. Each line says when it began and ended, and what it reached.
fn hammer(address: SocketAddr, stop: &AtomicBool) -> Vec<String> {
    let mut attempts = Vec::new();
    let Ok(plain) = Kind::parse("plain") else {
        return attempts;
    };
    while !stop.load(Ordering::Relaxed) {
        let started = now();
        let reached = match open(&plain, address) {
            Ok((_, name)) => name,
            Err(errno) => format!("errno {}", errno as i32),
        };
        attempts.push(format!("{started} {} {reached}", now()));
    }
    attempts
}

/// Nanoseconds of the monotonic clock, which all processes share.
fn now() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
    now.map_or(0, |now| now.tv_sec() * 1_000_000_000 + now.tv_nsec())
}

/// Connects, and reads the server's name. A connection leaves no trace when it is closed: otherwise
/// a fast application is soon out of ports.
fn open(kind: &Kind<'_>, address: SocketAddr) -> Result<(TcpStream, String), Errno> {
    let socket = kind.socket(SockType::Stream, address, TimeVal::seconds(10))?;
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&socket, sockopt::Linger, &at_once)?;
    connect(
        socket.as_raw_fd(),
        &SockaddrStorage::from(kind.address(address)),
    )?;
    let connection = TcpStream::from(socket);
    let name = read_line(&connection)?;
    Ok((connection, name))
}

/// A server says one line at a time, so nothing of the next one is lost.
fn read_line(connection: &TcpStream) -> Result<String, Errno> {
    let mut line = String::new();
    match BufReader::new(connection)
        .read_line(&mut line)
        .map_err(errno)?
    {
        0 => Err(Errno::ECONNRESET),
        _ => Ok(line.trim_end().to_owned()),
    }
}
