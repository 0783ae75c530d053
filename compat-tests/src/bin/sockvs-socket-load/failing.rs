//! Connections of TCP that fail before they begin, and whose sockets are used for something else
//! after that.

use std::{
    net::{Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
};

use compat_tests::unconnected::unconnect;
use nix::errno::Errno;

use crate::{sockets, tally::Tally};

/// Connects from 127.0.0.1 to a service whose server is on another machine: the kernel finds no
/// route between the two. Then the socket listens, and is closed.
pub(crate) fn stranded(number: u32, to: SocketAddr, tally: &mut Tally) -> Result<(), Errno> {
    for _ in 0..number {
        let stream = sockets::stream(to)?;
        strand(&stream, to, tally)?;
        sockets::make_listener(&stream)?;
    }
    Ok(())
}

/// The same with sockets of multipath TCP, whose connections are of sockets that the kernel makes.
pub(crate) fn mptcp(number: u32, to: SocketAddr, tally: &mut Tally) -> Result<(), Errno> {
    for _ in 0..number {
        let stream = sockets::mptcp(to)?;
        strand(&stream, to, tally)?;
    }
    Ok(())
}

/// Connects, but the kernel waits for data to send. There will be none: the socket listens.
pub(crate) fn unsent(number: u32, to: SocketAddr, tally: &mut Tally) -> Result<(), Errno> {
    for _ in 0..number {
        let stream = sockets::deferring(to)?;
        tally.result(&sockets::connect_to(&stream, to));
        unconnect(&stream)?;
        sockets::make_listener(&stream)?;
    }
    Ok(())
}

fn strand(stream: &OwnedFd, to: SocketAddr, tally: &mut Tally) -> Result<(), Errno> {
    sockets::bind_to(stream, Ipv4Addr::LOCALHOST)?;
    tally.result(&sockets::connect_to(stream, to));
    Ok(())
}
