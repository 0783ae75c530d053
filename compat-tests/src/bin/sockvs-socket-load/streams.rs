//! Very many connections of TCP, from very many addresses: each address has only some thousands of
//! ports for each server.

use std::{
    net::SocketAddr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    poll::PollFlags,
    sys::socket::{SockaddrStorage, getpeername, getsockopt, sockopt},
};

use crate::{sockets, tally::Tally};

/// How many connections an address has.
const PER_ADDRESS: u32 = 10_000;

/// Connects from so many addresses. What is made stays in `open`, if there is such a list.
pub(crate) fn clients(
    number: u32,
    to: SocketAddr,
    mut open: Option<&mut Vec<OwnedFd>>,
    tally: &mut Tally,
) -> Result<(), Errno> {
    for nth in 0..number {
        let stream = sockets::stream(to)?;
        sockets::reset_when_closed(&stream)?;
        sockets::bind_to(&stream, sockets::client(nth))?;
        let connected = sockets::connect_to(&stream, to);
        match connected {
            Ok(()) | Err(Errno::EINPROGRESS) => {
                sockets::wait(&stream, PollFlags::POLLOUT)?;
                tally.result(&outcome(&stream));
                if let Some(open) = &mut open {
                    open.push(stream);
                }
            }
            refused => tally.result(&refused),
        }
    }
    Ok(())
}

/// Makes so many connections, which stay.
pub(crate) fn open(
    number: u32,
    to: SocketAddr,
    open: &mut Vec<OwnedFd>,
    tally: &mut Tally,
) -> Result<(), Errno> {
    for nth in 0..number {
        let stream = sockets::stream(to)?;
        sockets::reset_when_closed(&stream)?;
        if to.is_ipv4() {
            sockets::bind_to(&stream, sockets::own_client(nth / PER_ADDRESS))?;
        }
        match sockets::connect_to(&stream, to) {
            Ok(()) | Err(Errno::EINPROGRESS) => {
                sockets::wait(&stream, PollFlags::POLLOUT)?;
                let made = outcome(&stream);
                tally.result(&made);
                if made.is_ok() {
                    open.push(stream);
                }
            }
            refused => tally.result(&refused),
        }
    }
    Ok(())
}

/// The peers of one in a hundred of so many connections.
pub(crate) fn peers(number: usize, open: &[OwnedFd], tally: &mut Tally) -> Result<(), Errno> {
    for stream in open.iter().take(number).step_by(100) {
        let peer: SockaddrStorage = getpeername(stream.as_raw_fd())?;
        tally.note(peer.to_string());
    }
    Ok(())
}

/// What came of a connection.
fn outcome(stream: &OwnedFd) -> Result<(), Errno> {
    match getsockopt(stream, sockopt::SocketError)? {
        0 => Ok(()),
        error => Err(Errno::from_raw(error)),
    }
}
