//! Connections that have a server, and begin only when they first send something.

use std::{net::SocketAddr, os::fd::OwnedFd};

use nix::errno::Errno;

use crate::{sockets, tally::Tally};

/// Connects so many sockets, of which none sends a packet yet.
pub(crate) fn open(number: u32, to: SocketAddr, open: &mut Vec<OwnedFd>) -> Result<(), Errno> {
    for _ in 0..number {
        let stream = sockets::deferring(to)?;
        sockets::reset_when_closed(&stream)?;
        sockets::connect_to(&stream, to)?;
        open.push(stream);
    }
    Ok(())
}

/// Each sends something, and so connects.
pub(crate) fn send(open: &[OwnedFd], tally: &mut Tally) -> Result<(), Errno> {
    for stream in open {
        let sent = nix::unistd::write(stream, b"hello\n").map(drop);
        // Without a cookie the data goes with the SYN, and the call does not wait for more.
        tally.result(&match sent {
            Err(Errno::EINPROGRESS) => Ok(()),
            sent => sent,
        });
    }
    Ok(())
}
