//! Sockets one call at a time: `stream ID KIND ADDRESS` makes one of TCP, `connect ID ADDRESS`,
//! `uring ID ADDRESS` and `fast ID ADDRESS` connect it in three ways (the last sends a line with
//! it), `finish ID` waits for that, `hello ID` sends a line, `greeting ID` reads one, `unconnect
//! ID` ends it. `dup ID NEW` copies a socket; `mailbox PATH`, `pass ID PATH` and `take ID` give one
//! to another process.

use std::{
    io::{IoSlice, IoSliceMut},
    net::SocketAddr,
    os::{
        fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::net::UnixDatagram,
    },
};

use compat_tests::{
    answering::{errno, parse},
    unconnected::unconnect,
};
use io_uring::{IoUring, opcode, types};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        socket::{
            ControlMessage, ControlMessageOwned, MsgFlags, SockType, SockaddrLike as _,
            SockaddrStorage, getsockopt, recvmsg, sendmsg, sendto, setsockopt, sockopt,
        },
        time::{TimeVal, TimeValLike as _},
    },
};

use crate::{Probe, kind::Kind};

/// How long anything may take, in seconds.
const PATIENCE: u16 = 10;
const LINE: &[u8] = b"hello\n";

impl Probe {
    /// Answers one of these requests.
    pub(crate) fn answer_for_sockets(
        &mut self,
        verb: &str,
        words: &[&str],
    ) -> Result<Vec<String>, Errno> {
        match (verb, words) {
            ("stream", &[id, kind, address]) => {
                let stream = stream(&Kind::parse(kind)?, parse(address)?)?;
                self.keep(id, kind, stream);
            }
            ("uring", &[id, address]) => {
                let (kind, socket) = self.socket(id)?;
                connect_by_io_uring(socket, kind.address(parse(address)?))?;
            }
            ("fast", &[id, address]) => {
                let (kind, socket) = self.socket(id)?;
                let to = SockaddrStorage::from(kind.address(parse(address)?));
                let flags = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
                sendto(socket.as_raw_fd(), LINE, &to, flags)?;
            }
            ("finish", &[id]) => finish(self.socket(id)?.1)?,
            ("hello", &[id]) => {
                nix::unistd::write(self.socket(id)?.1, LINE)?;
            }
            ("greeting", &[id]) => return Ok(vec![greeting(self.socket(id)?.1)?]),
            ("unconnect", &[id]) => unconnect(self.socket(id)?.1)?,
            ("dup", &[id, new]) => {
                let (kind, socket) = self.sockets.get(id).ok_or(Errno::EBADF)?;
                let copy = socket.try_clone().map_err(errno)?;
                let kind = kind.clone();
                self.keep(new, &kind, copy);
            }
            ("mailbox", &[path]) => {
                self.mailbox = Some(UnixDatagram::bind(path).map_err(errno)?);
            }
            ("pass", &[id, path]) => pass(self.socket(id)?.1, path)?,
            ("take", &[id]) => {
                let mailbox = self.mailbox.as_ref().ok_or(Errno::EBADF)?;
                let socket = take(mailbox)?;
                self.keep(id, "plain", socket);
            }
            _ => return Err(Errno::ENOSYS),
        }
        Ok(vec![])
    }

    fn keep(&mut self, id: &str, kind: &str, socket: OwnedFd) {
        self.sockets
            .insert(id.to_owned(), (kind.to_owned(), socket));
    }
}

fn stream(kind: &Kind<'_>, address: SocketAddr) -> Result<OwnedFd, Errno> {
    let patience = TimeVal::seconds(PATIENCE.into());
    let stream = kind.socket(SockType::Stream, address, patience)?;
    // So that it leaves no port in use.
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream, sockopt::Linger, &at_once)?;
    Ok(stream)
}

fn connect_by_io_uring(socket: &OwnedFd, address: SocketAddr) -> Result<(), Errno> {
    let mut ring = IoUring::new(1).map_err(errno)?;
    let address = SockaddrStorage::from(address);
    let socket = types::Fd(socket.as_raw_fd());
    let connect = opcode::Connect::new(socket, address.as_ptr(), address.len()).build();
    // SAFETY: the address and the socket outlive the call, which is waited for below.
    unsafe { ring.submission().push(&connect) }.map_err(|_| Errno::EBUSY)?;
    ring.submit_and_wait(1).map_err(errno)?;
    let done = ring.completion().next().ok_or(Errno::EIO)?;
    match done.result() {
        0 => Ok(()),
        failed => Err(Errno::from_raw(-failed)),
    }
}

/// Waits until a connection is made, or gives the error that it failed with.
fn finish(socket: &OwnedFd) -> Result<(), Errno> {
    wait(socket, PollFlags::POLLOUT)?;
    match getsockopt(socket, sockopt::SocketError)? {
        0 => Ok(()),
        error => Err(Errno::from_raw(error)),
    }
}

fn wait(socket: &OwnedFd, what: PollFlags) -> Result<(), Errno> {
    let limit = PollTimeout::from(PATIENCE * 1000);
    match poll(&mut [PollFd::new(socket.as_fd(), what)], limit)? {
        0 => Err(Errno::ETIME),
        _ => Ok(()),
    }
}

/// Reads a line, byte by byte: what follows it is for the next one.
fn greeting(socket: &OwnedFd) -> Result<String, Errno> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        wait(socket, PollFlags::POLLIN)?;
        match nix::unistd::read(socket, &mut byte)? {
            0 => return Err(Errno::ECONNRESET),
            _ if byte == *b"\n" => return Ok(String::from_utf8_lossy(&line).into_owned()),
            _ => line.extend(byte),
        }
    }
}

fn pass(socket: &OwnedFd, path: &str) -> Result<(), Errno> {
    let to = UnixDatagram::unbound().map_err(errno)?;
    to.connect(path).map_err(errno)?;
    let rights = [socket.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&rights)];
    let content = [IoSlice::new(b"x")];
    sendmsg::<()>(to.as_raw_fd(), &content, &message, MsgFlags::empty(), None)?;
    Ok(())
}

fn take(mailbox: &UnixDatagram) -> Result<OwnedFd, Errno> {
    let mut room = nix::cmsg_space!([i32; 1]);
    let (mut byte, flags) = ([0], MsgFlags::MSG_CMSG_CLOEXEC);
    let mut content = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(mailbox.as_raw_fd(), &mut content, Some(&mut room), flags)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(rights) = part
            && let [descriptor] = rights[..]
        {
            // SAFETY: the kernel has just made this descriptor for us.
            return Ok(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }
    Err(Errno::EPROTO)
}
