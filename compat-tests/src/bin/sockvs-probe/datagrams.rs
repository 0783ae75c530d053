//! UDP sockets: made, connected or not, and asked for an answer.

use std::{
    io::{IoSlice, IoSliceMut},
    net::SocketAddr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            MsgFlags, MultiHeaders, SockType, SockaddrStorage, connect, recvfrom, recvmmsg,
            sendmmsg, sendto,
        },
        time::{TimeVal, TimeValLike as _},
    },
};

use crate::kind::Kind;

/// The longest answer.
const ANSWER: usize = 256;

/// Makes a socket. `answers` are waited for that long.
pub(crate) fn open(kind: &Kind<'_>, address: SocketAddr) -> Result<OwnedFd, Errno> {
    kind.socket(SockType::Datagram, address, TimeVal::seconds(2))
}

/// Connects it.
pub(crate) fn connect_to(
    socket: &OwnedFd,
    kind: &Kind<'_>,
    address: SocketAddr,
) -> Result<(), Errno> {
    connect(
        socket.as_raw_fd(),
        &SockaddrStorage::from(kind.address(address)),
    )
}

/// Sends a line to an address, or to the socket's peer: who answers, and from where.
pub(crate) fn ask(
    socket: &OwnedFd,
    kind: &Kind<'_>,
    address: Option<SocketAddr>,
) -> Result<String, Errno> {
    match address {
        Some(address) => {
            let address = SockaddrStorage::from(kind.address(address));
            sendto(socket.as_raw_fd(), b"hello", &address, MsgFlags::empty())?;
        }
        None => {
            nix::unistd::write(socket, b"hello")?;
        }
    }
    let mut buffer = [0; ANSWER];
    let (length, from) = recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut buffer)?;
    let from = from.ok_or(Errno::EDESTADDRREQ)?;
    let answer = buffer.get(..length).unwrap_or_default();
    Ok(told(answer, &from))
}

/// The same with a number of datagrams in one call, and their answers in another.
pub(crate) fn ask_many(
    socket: &OwnedFd,
    kind: &Kind<'_>,
    address: SocketAddr,
    number: usize,
) -> Result<Vec<String>, Errno> {
    let hello = [IoSlice::new(b"hello")];
    let messages = vec![hello; number];
    let addresses = vec![Some(SockaddrStorage::from(kind.address(address))); number];
    let mut headers = MultiHeaders::preallocate(number, None);
    let sent = sendmmsg(
        socket.as_raw_fd(),
        &mut headers,
        &messages,
        &addresses,
        [],
        MsgFlags::empty(),
    )?;
    if sent.count() != number {
        return Err(Errno::EMSGSIZE);
    }
    let mut answers = Vec::new();
    while answers.len() < number {
        let mut buffers = vec![[0; ANSWER]; number];
        let lengths: Vec<_> = {
            let mut slices: Vec<_> = buffers
                .iter_mut()
                .map(|buffer| [IoSliceMut::new(buffer)])
                .collect();
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(number, None);
            let received = recvmmsg(
                socket.as_raw_fd(),
                &mut headers,
                slices.iter_mut(),
                MsgFlags::MSG_WAITFORONE,
                None,
            )?;
            received
                .map(|message| (message.bytes, message.address))
                .collect()
        };
        for ((length, from), buffer) in lengths.into_iter().zip(&buffers) {
            let from = from.ok_or(Errno::EDESTADDRREQ)?;
            answers.push(told(buffer.get(..length).unwrap_or_default(), &from));
        }
    }
    Ok(answers)
}

fn told(answer: &[u8], from: &SockaddrStorage) -> String {
    format!("{} {from}", String::from_utf8_lossy(answer))
}
