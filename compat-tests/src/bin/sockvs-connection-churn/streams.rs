//! TCP connections, each begun and ended in one of the ways in which applications do it.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
};

use compat_tests::{random::Random, unconnected::unconnect};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, Shutdown, SockFlag, SockType, SockaddrStorage, connect, getsockname,
        getsockopt, setsockopt, shutdown, socket, sockopt,
    },
};

use crate::{child::Child, tally::Tally, targets::Targets};

/// How long a server that answers may take to do so, in milliseconds.
const PATIENCE: u16 = 10_000;
/// How long one that does not answer is tried, in milliseconds.
const NO_ANSWER: u32 = 700;

/// What becomes of a connection.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// It is reset.
    Reset,
    /// The socket is closed at once, with the connection perhaps not made yet.
    Abandoned,
    /// It is closed with something unread.
    Unread,
    /// All is read and it is closed.
    Closed,
    /// First it is shut down.
    ShutDown,
    /// The socket is connected to something else after that.
    Again,
    /// Another process has it too, and is the last to close it.
    HandedOver,
}

impl End {
    fn any(random: &mut Random) -> Self {
        match random.below(1000) {
            0..550 => Self::Reset,
            550..700 => Self::Abandoned,
            700..800 => Self::Unread,
            800..880 => Self::Closed,
            880..930 => Self::ShutDown,
            930..996 => Self::Again,
            _ => Self::HandedOver,
        }
    }
}

/// One socket's life.
pub(crate) fn one(
    random: &mut Random,
    targets: &Targets,
    tally: &mut Tally,
    children: &mut Vec<Child>,
) -> Result<(), Errno> {
    let end = End::any(random);
    let service = random.one_of(&targets.streams);
    let stream = new(service)?;
    if end == End::Reset || random.once_in(2) {
        reset_when_closed(&stream)?;
    }
    if !begin(&stream, service, tally)? {
        return Ok(());
    }
    if end == End::Abandoned {
        tally.outcome("abandoned");
        return Ok(());
    }
    let made = is_made(&stream, tally)?;
    match end {
        End::Again => {
            let same_family = |to: &SocketAddr| to.is_ipv4() == service.is_ipv4();
            let others: Vec<_> = targets
                .streams
                .iter()
                .copied()
                .filter(same_family)
                .collect();
            if made || random.once_in(2) {
                unconnect(&stream)?;
            } else {
                // The first call after a failure tells of it and makes the socket usable again.
                let _ = connect(stream.as_raw_fd(), &SockaddrStorage::from(service));
            }
            if begin(&stream, random.one_of(&others), tally)? {
                is_made(&stream, tally)?;
                tally.outcome("again");
            }
        }
        _ if !made => {}
        End::Closed | End::ShutDown => {
            wait(&stream, PollFlags::POLLIN)?;
            // It may be reset by now.
            let _ = nix::unistd::read(&stream, &mut [0; 64]);
            if end == End::ShutDown {
                let _ = shutdown(stream.as_raw_fd(), Shutdown::Write);
            }
            tally.outcome("closed");
        }
        End::HandedOver => {
            children.push(Child::holding(stream, random.below(300))?);
            tally.outcome("handed-over");
        }
        End::Unread => {
            wait(&stream, PollFlags::POLLIN)?;
            tally.outcome("unread");
        }
        End::Reset | End::Abandoned => tally.outcome("reset"),
    }
    Ok(())
}

/// Begins a connection to a server that does not answer.
pub(crate) fn to_nowhere(
    random: &mut Random,
    targets: &Targets,
    tally: &mut Tally,
) -> Result<Option<OwnedFd>, Errno> {
    let service = random.one_of(&targets.silent);
    let stream = new(service)?;
    setsockopt(&stream, sockopt::TcpUserTimeout, &NO_ANSWER)?;
    Ok(begin(&stream, service, tally)?.then_some(stream))
}

/// Waits for the end of such a connection.
pub(crate) fn wait_until_it_fails(stream: &OwnedFd, tally: &mut Tally) -> Result<(), Errno> {
    if is_made(stream, tally)? {
        return Err(Errno::EISCONN);
    }
    Ok(())
}

/// A socket that waits for nothing.
pub(crate) fn new(service: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match service {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(family, SockType::Stream, flags, None)
}

/// Connects. True if a SYN is on its way; that is noted.
pub(crate) fn begin(
    stream: &OwnedFd,
    service: SocketAddr,
    tally: &mut Tally,
) -> Result<bool, Errno> {
    match connect(stream.as_raw_fd(), &SockaddrStorage::from(service)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {
            tally.chosen("tcp", service, source(stream)?);
            Ok(true)
        }
        Err(errno) => {
            tally.outcome(format!("connect:{errno:?}"));
            Ok(false)
        }
    }
}

/// The address that the route to the server has given the socket.
pub(crate) fn source(socket: &OwnedFd) -> Result<IpAddr, Errno> {
    let name: SockaddrStorage = getsockname(socket.as_raw_fd())?;
    let v4 = name.as_sockaddr_in().map(|name| name.ip().into());
    let v6 = || name.as_sockaddr_in6().map(|name| name.ip().into());
    v4.or_else(v6).ok_or(Errno::EAFNOSUPPORT)
}

/// Waits until a connection is made, or fails, which is noted.
fn is_made(stream: &OwnedFd, tally: &mut Tally) -> Result<bool, Errno> {
    wait(stream, PollFlags::POLLOUT)?;
    let error = getsockopt(stream, sockopt::SocketError)?;
    if error != 0 {
        tally.outcome(format!("then:{:?}", Errno::from_raw(error)));
    }
    Ok(error == 0)
}

fn wait(stream: &OwnedFd, what: PollFlags) -> Result<(), Errno> {
    match poll(
        &mut [PollFd::new(stream.as_fd(), what)],
        PollTimeout::from(PATIENCE),
    )? {
        0 => Err(Errno::ETIME),
        _ => Ok(()),
    }
}

/// Closing the socket resets its connection, and leaves no `TIME_WAIT`.
pub(crate) fn reset_when_closed(stream: impl AsFd) -> Result<(), Errno> {
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream, sockopt::Linger, &at_once)
}
