//! UDP sockets that are not connected, and send to services.

use std::{
    net::SocketAddr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    poll::PollFlags,
    sys::socket::{MsgFlags, SockaddrStorage, recvfrom, sendto},
};

use crate::{sockets, tally::Tally};

/// Makes so many sockets, each of which sends a datagram to each service and stays.
pub(crate) fn send(
    number: u32,
    services: &[SocketAddr],
    open: &mut Vec<OwnedFd>,
    tally: &mut Tally,
) -> Result<(), Errno> {
    let first = *services.first().ok_or(Errno::EDESTADDRREQ)?;
    for nth in 0..number {
        let socket = sockets::datagram(first)?;
        sockets::bind_to(&socket, sockets::own_client(nth / 10_000))?;
        for service in services {
            tally.result(&send_to(&socket, *service));
        }
        open.push(socket);
    }
    Ok(())
}

/// Sends a datagram: what the answer says, and the address that it came from.
pub(crate) fn ask(service: SocketAddr) -> Result<String, Errno> {
    let socket = sockets::datagram(service)?;
    send_to(&socket, service)?;
    sockets::wait(&socket, PollFlags::POLLIN)?;
    let mut buffer = [0; 64];
    let (length, from) = recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut buffer)?;
    let from = from.ok_or(Errno::EDESTADDRREQ)?;
    let answer = buffer.get(..length).unwrap_or_default();
    Ok(format!("{} {from}", String::from_utf8_lossy(answer)))
}

/// Sends a datagram.
pub(crate) fn send_to(socket: &OwnedFd, to: SocketAddr) -> Result<(), Errno> {
    let to = SockaddrStorage::from(to);
    sendto(socket.as_raw_fd(), b"hello", &to, MsgFlags::empty()).map(drop)
}
