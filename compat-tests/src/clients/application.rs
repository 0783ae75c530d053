//! An application whose connections are balanced: the program `sockvs-probe`, in the test's cgroup.

mod sockets;

use std::{
    net::{IpAddr, SocketAddr},
    process::Stdio,
};

use nix::errno::Errno;

use crate::{
    clients::conversation::Conversation,
    environment::{folder::Folder, place::Place},
    process::binaries,
};

/// The kind of socket that an application uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// Of the address's own family.
    Plain,
    /// `AF_INET6`; an IPv4 address is given in its v4-mapped form.
    Inet6,
    /// `AF_INET6` with `IPV6_V6ONLY`.
    Inet6Only,
    /// Of the address's own family, with a firewall mark.
    Marked(u32),
    /// Of the address's own family, bound to an address.
    From(IpAddr),
    /// Of the address's own family, bound to an address and a port.
    FromPort(SocketAddr),
    /// Of the address's own family, bound to a device.
    Through(&'static str),
    /// Of the address's own family, of multipath TCP.
    Mptcp,
    /// Of the address's own family, which connects when it first sends (`TCP_FASTOPEN_CONNECT`).
    FastOpen,
    /// Of the address's own family, which waits for nothing.
    Nonblocking,
}

impl Socket {
    fn name(self) -> String {
        match self {
            Self::Plain => "plain".to_owned(),
            Self::Inet6 => "inet6".to_owned(),
            Self::Inet6Only => "inet6-only".to_owned(),
            Self::Marked(mark) => format!("plain,mark={mark}"),
            Self::From(address) => format!("plain,from={address}"),
            Self::FromPort(at) => format!("plain,from={},port={}", at.ip(), at.port()),
            Self::Through(device) => format!("plain,device={device}"),
            Self::Mptcp => "plain,mptcp".to_owned(),
            Self::FastOpen => "plain,fastopen".to_owned(),
            Self::Nonblocking => "plain,nonblocking".to_owned(),
        }
    }
}

/// One connection out of very many: when it was made, and where it led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began, before `connect`, in nanoseconds of the monotonic clock.
    pub started: u64,
    /// When it was over, after `connect`.
    pub ended: u64,
    /// Which server answered, or the errno.
    pub reached: Result<String, Errno>,
}

/// A running application.
#[derive(Debug)]
pub struct Application(Conversation);

impl Application {
    /// Starts one.
    #[must_use]
    pub fn start(place: &Place, folder: &Folder) -> Self {
        let mut command = place.command(binaries::ours("sockvs-probe"));
        command.stdin(Stdio::piped());
        Self(Conversation::start(command, "sockvs-probe", folder))
    }

    /// Connects, asks for the server's name, and closes.
    ///
    /// # Errors
    ///
    /// The errno of `connect`.
    #[track_caller]
    pub fn connect(&mut self, address: &str) -> Result<String, Errno> {
        self.connect_by(Socket::Plain, address)
    }

    /// The same with another kind of socket.
    ///
    /// # Errors
    ///
    /// The errno of `connect`.
    #[track_caller]
    pub fn connect_by(&mut self, socket: Socket, address: &str) -> Result<String, Errno> {
        let name = self.open_by(socket, "once", address)?;
        self.close("once");
        Ok(name)
    }

    /// Makes a number of connections, one after another: the names of the servers that they
    /// reached, or `-` for each that was refused.
    ///
    /// # Panics
    ///
    /// When one fails in another way.
    #[track_caller]
    pub fn connect_many(&mut self, address: &str, number: usize) -> Vec<String> {
        (0..number)
            .map(|_| match self.connect(address) {
                Ok(name) => name,
                Err(Errno::ECONNREFUSED) => "-".to_owned(),
                Err(errno) => panic!("connect to {address}: {errno}"),
            })
            .collect()
    }

    /// Makes a connection that stays, and gives its server's name.
    ///
    /// # Errors
    ///
    /// The errno of `connect`.
    #[track_caller]
    pub fn open(&mut self, id: &str, address: &str) -> Result<String, Errno> {
        self.open_by(Socket::Plain, id, address)
    }

    /// The same with another kind of socket.
    ///
    /// # Errors
    ///
    /// The errno of `connect`.
    #[track_caller]
    pub fn open_by(&mut self, socket: Socket, id: &str, address: &str) -> Result<String, Errno> {
        self.0
            .ask(&format!("open {id} {} {address}", socket.name()))
            .map(|mut lines| lines.remove(0))
    }

    /// Sends something over a connection: the name of the server that echoes it.
    ///
    /// # Errors
    ///
    /// The errno with which the connection broke.
    #[track_caller]
    pub fn say(&mut self, id: &str) -> Result<String, Errno> {
        self.0
            .ask(&format!("say {id}"))
            .map(|mut lines| lines.remove(0))
    }

    /// What `getpeername` gives for a connection.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn peer(&mut self, id: &str) -> String {
        self.0.must(&format!("peer {id}")).remove(0)
    }

    /// Closes a connection.
    ///
    /// # Panics
    ///
    /// When there is none of that name.
    #[track_caller]
    pub fn close(&mut self, id: &str) {
        self.0.must(&format!("close {id}"));
    }

    /// Makes a UDP socket for addresses like this one.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[track_caller]
    pub fn udp(&mut self, id: &str, socket: Socket, address: &str) {
        self.0
            .must(&format!("udp {id} {} {address}", socket.name()));
    }

    /// Connects a socket that was made before.
    ///
    /// # Errors
    ///
    /// The errno of `connect`.
    #[track_caller]
    pub fn connect_socket(&mut self, id: &str, address: &str) -> Result<(), Errno> {
        self.0.ask(&format!("connect {id} {address}")).map(drop)
    }

    /// Sends a datagram to the peer of a UDP socket: the name of the server that answers, and the
    /// address that the answer came from.
    ///
    /// # Errors
    ///
    /// The errno of the call that failed; `EAGAIN` if no answer comes.
    #[track_caller]
    pub fn ask_peer(&mut self, id: &str) -> Result<String, Errno> {
        self.0
            .ask(&format!("ask {id}"))
            .map(|mut lines| lines.remove(0))
    }

    /// The same to an address.
    ///
    /// # Errors
    ///
    /// As `ask_peer`.
    #[track_caller]
    pub fn ask(&mut self, id: &str, address: &str) -> Result<String, Errno> {
        self.0
            .ask(&format!("ask {id} {address}"))
            .map(|mut lines| lines.remove(0))
    }

    /// The same with a number of datagrams at once (`sendmmsg`, `recvmmsg`).
    ///
    /// # Errors
    ///
    /// As `ask_peer`.
    #[track_caller]
    pub fn ask_many(
        &mut self,
        id: &str,
        address: &str,
        number: usize,
    ) -> Result<Vec<String>, Errno> {
        self.0.ask(&format!("ask-many {id} {address} {number}"))
    }

    /// Ends the application without warning, with all that it has open.
    pub fn kill(self) {
        self.0.kill();
    }

    /// Starts connecting at full speed, from a number of threads.
    #[track_caller]
    pub fn hammer(&mut self, address: &str, threads: usize) {
        self.0.must(&format!("hammer {address} {threads}"));
    }

    /// Ends that, and gives all that happened.
    ///
    /// # Panics
    ///
    /// When it was not started.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<Attempt> {
        self.0
            .must("rest")
            .iter()
            .map(|line| attempt(line))
            .collect()
    }
}

fn attempt(line: &str) -> Attempt {
    let (started, rest) = line
        .split_once(' ')
        .expect("two times and what was reached");
    let (ended, reached) = rest
        .split_once(' ')
        .expect("two times and what was reached");
    let reached = match reached.strip_prefix("errno ") {
        Some(errno) => Err(Errno::from_raw(errno.parse().expect("a number"))),
        None => Ok(reached.to_owned()),
    };
    let time = |text: &str| text.parse().expect("a number");
    Attempt {
        started: time(started),
        ended: time(ended),
        reached,
    }
}
