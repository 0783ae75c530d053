//! UDP sockets, connected and not.

use std::{
    net::SocketAddr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use compat_tests::{answering::parse, random::Random, unconnected::unconnect};
use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, connect, recvfrom,
            sendto, setsockopt, socket, sockopt,
        },
        time::{TimeVal, TimeValLike as _},
    },
};

use crate::{streams::source, tally::Tally, targets::Targets};

/// How many services one socket uses at most: fewer than it remembers.
const SERVICES: u16 = 5;

/// One socket's life.
pub(crate) fn some(random: &mut Random, targets: &Targets, tally: &mut Tally) -> Result<(), Errno> {
    let first = random.one_of(&targets.datagrams);
    let same_family = |to: &SocketAddr| to.is_ipv4() == first.is_ipv4();
    let mut services = targets.datagrams.clone();
    services.retain(same_family);
    let socket = new(first)?;
    if random.once_in(2) {
        let mut was_connected = false;
        for _ in 0..=random.below(SERVICES) {
            if random.once_in(2) {
                unconnect(&socket)?;
                was_connected = false;
            }
            let service = random.one_of(&services);
            if was_connected {
                // It keeps its first source address, so it has to ask.
                connect(socket.as_raw_fd(), &SockaddrStorage::from(service))?;
                tally.chosen("udp", service, parse(&who(&socket)?)?);
            } else {
                connect_to(&socket, service, tally)?;
            }
            was_connected = true;
        }
        tally.outcome("udp-connected");
    } else {
        services.truncate(1 + usize::from(random.below(SERVICES)));
        for service in services {
            for repeated in 0..=random.below(3) {
                let to = SockaddrStorage::from(service);
                sendto(socket.as_raw_fd(), b"hello", &to, MsgFlags::empty())?;
                let who = answer(&socket)?;
                if repeated == 0 {
                    tally.chosen("udp", service, parse(&who)?);
                }
            }
        }
        tally.outcome("udp-unconnected");
    }
    Ok(())
}

/// A socket that waits for a limited time.
pub(crate) fn new(service: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match service {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(10))?;
    Ok(socket)
}

/// Connects, which is noted.
pub(crate) fn connect_to(
    socket: &OwnedFd,
    service: SocketAddr,
    tally: &mut Tally,
) -> Result<(), Errno> {
    connect(socket.as_raw_fd(), &SockaddrStorage::from(service))?;
    tally.chosen("udp", service, source(socket)?);
    Ok(())
}

/// The source address that the socket's server is reached from, as the server says.
fn who(socket: &OwnedFd) -> Result<String, Errno> {
    nix::unistd::write(socket, b"hello")?;
    answer(socket)
}

fn answer(socket: &OwnedFd) -> Result<String, Errno> {
    let mut buffer = [0; 64];
    let (length, _) = recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut buffer)?;
    let answer = buffer.get(..length).unwrap_or_default();
    Ok(String::from_utf8_lossy(answer).into_owned())
}
