//! The client: makes connections as fast as it can, and tells how long that took.
//!
//! Requests are `connect|ask|exchange FIRST COUNT PORT TIMES`: the first address, how many there
//! are, the port at each, and how often. The answer is the time in nanoseconds.

use std::{
    io::{self, Read as _},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use compat_tests::answering::{self, errno, parse};
use nix::{
    errno::Errno,
    libc::linger,
    sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, connect, setsockopt, socket, sockopt::Linger,
    },
};

/// How long an answer may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(5);
/// How far apart two addresses are that follow one another: a prime, so that all have their turn.
const STRIDE: u32 = 7919;

/// Measures what it is asked to until the standard input ends.
pub(crate) fn run() -> io::Result<()> {
    answering::answer(|verb, words| {
        let &[first, count, port, times] = words else {
            return Err(Errno::EINVAL);
        };
        let mut aims = Aims::new(parse(first)?, parse(count)?, parse(port)?)?;
        let times = parse(times)?;
        let taken = match verb {
            "connect" => tcp_connect(&mut aims, times)?,
            "ask" => udp_ask(&mut aims, times)?,
            "exchange" => udp_exchange(&mut aims, times)?,
            _ => return Err(Errno::ENOSYS),
        };
        Ok(vec![taken.as_nanos().to_string()])
    })
}

/// Addresses, in turn.
struct Aims {
    first: u32,
    count: u32,
    port: u16,
    at: u32,
}

impl Aims {
    fn new(first: Ipv4Addr, count: u32, port: u16) -> Result<Self, Errno> {
        if count == 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Self {
            first: first.to_bits(),
            count,
            port,
            at: 0,
        })
    }

    fn next(&mut self) -> SocketAddrV4 {
        let address = Ipv4Addr::from_bits(self.first + self.at);
        self.at = (self.at + STRIDE) % self.count;
        SocketAddrV4::new(address, self.port)
    }
}

/// A connection, and its end by RST: neither side has to wait for the other, or remember the
/// connection.
fn tcp_connect(aims: &mut Aims, times: u32) -> Result<Duration, Errno> {
    let reset = linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let start = Instant::now();
    for _ in 0..times {
        let socket = tcp_socket()?;
        connect(socket.as_raw_fd(), &SockaddrIn::from(aims.next()))?;
        setsockopt(&socket, Linger, &reset)?;
    }
    // The server accepts in order, and closes one when it accepts the next: then it has done its
    // part of all that came before.
    let mut last_but_one = stream(aims.next())?;
    let last = stream(aims.next())?;
    last_but_one.read(&mut [0]).map_err(errno)?;
    let taken = start.elapsed();
    setsockopt(&last, Linger, &reset)?;
    Ok(taken)
}

fn stream(to: SocketAddrV4) -> Result<TcpStream, Errno> {
    let to = SocketAddr::V4(to);
    let connected = TcpStream::connect_timeout(&to, PATIENCE);
    let stream = connected.map_err(errno)?;
    let patient = stream.set_read_timeout(Some(PATIENCE));
    patient.map_err(errno)?;
    Ok(stream)
}

fn tcp_socket() -> Result<OwnedFd, Errno> {
    socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
}

/// As a resolver does it: a socket for each question, connected, one datagram each way.
fn udp_ask(aims: &mut Aims, times: u32) -> Result<Duration, Errno> {
    let mut ask = || -> io::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(aims.next())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(b"?")?;
        socket.recv(&mut [0; 64])?;
        Ok(())
    };
    let start = Instant::now();
    for _ in 0..times {
        ask().map_err(errno)?;
    }
    Ok(start.elapsed())
}

/// One socket that is not connected, one datagram each way at a time.
fn udp_exchange(aims: &mut Aims, times: u32) -> Result<Duration, Errno> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(errno)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(errno)?;
    let mut exchange = || -> io::Result<bool> {
        let asked = aims.next();
        socket.send_to(b"?", asked)?;
        let (_, from) = socket.recv_from(&mut [0; 64])?;
        Ok(from == SocketAddr::V4(asked))
    };
    let start = Instant::now();
    for _ in 0..times {
        let is_from_there = exchange().map_err(errno)?;
        if !is_from_there {
            return Err(Errno::EBADMSG);
        }
    }
    Ok(start.elapsed())
}
