//! A client that sends what it is told to, however wrong, and shows what comes back.
//!
//! `send HEX` sends one datagram to the kernel. The answer is the datagrams that came back, in hex:
//! up to a verdict or the end of a list, or none if nothing comes for a while. `post HEX` sends one
//! and does not wait, `flood TIMES HEX` many; it says how many could be sent. `port` is the
//! socket's port id.

use std::{io, os::fd::AsRawFd as _};

use compat_tests::{answering, genetlink, hex, wire::Reply};
use nix::{
    errno::Errno,
    sys::{
        socket::{MsgFlags, NetlinkAddr, bind, getsockname, recv, sendto, setsockopt, sockopt},
        time::{TimeVal, TimeValLike as _},
    },
};

/// How long to wait for an answer that may never come.
const PATIENCE_MS: i64 = 400;

fn main() -> io::Result<()> {
    let socket = genetlink::open()?;
    setsockopt(
        &socket,
        sockopt::ReceiveTimeout,
        &TimeVal::milliseconds(PATIENCE_MS),
    )?;
    let fd = socket.as_raw_fd();
    bind(fd, &NetlinkAddr::new(0, 0))?;
    answering::answer(|verb, words| match (verb, words) {
        ("send", [digits]) => {
            send(fd, digits)?;
            receive(fd)
        }
        ("post", [digits]) => send(fd, digits).map(|()| Vec::new()),
        ("flood", [times, digits]) => {
            let times: u32 = answering::parse(times)?;
            let datagram = hex::decode(digits).ok_or(Errno::EINVAL)?;
            let kernel = NetlinkAddr::new(0, 0);
            let sent = (0..times)
                .filter(|_| sendto(fd, &datagram, &kernel, MsgFlags::empty()).is_ok())
                .count();
            Ok(vec![sent.to_string()])
        }
        ("port", []) => Ok(vec![getsockname::<NetlinkAddr>(fd)?.pid().to_string()]),
        _ => Err(Errno::ENOSYS),
    })
}

fn send(fd: i32, digits: &str) -> Result<(), Errno> {
    let datagram = hex::decode(digits).ok_or(Errno::EINVAL)?;
    sendto(fd, &datagram, &NetlinkAddr::new(0, 0), MsgFlags::empty()).map(|_| ())
}

fn receive(fd: i32) -> Result<Vec<String>, Errno> {
    let mut datagrams = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match recv(fd, &mut buffer, MsgFlags::empty()) {
            Ok(length) => {
                let datagram = buffer.get(..length).unwrap_or_default();
                datagrams.push(hex::encode(datagram));
                let replies = Reply::all(datagram);
                if replies
                    .iter()
                    .any(|reply| reply.verdict().is_some() || reply.is_end_of_list())
                {
                    return Ok(datagrams);
                }
            }
            Err(Errno::EAGAIN) => return Ok(datagrams),
            Err(errno) => return Err(errno),
        }
    }
}
