//! Calls about socket options of IPVS: reads them from the caller's memory, and writes the answer
//! there.
//!
//! [`None`] is always a safe answer: the kernel then executes the call and reports any error
//! itself.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;

use super::notification::{Notification, Notifier, Verdict};
use super::target::{Target, low_half};
use super::wire;
use sockvs_server::sockopt::{self, Call, Direction};

/// A socket with these options: an IPv4 one, or an IPv6 one, which passes them to IPv4.
#[derive(Debug)]
pub(super) struct InternetSocket(OwnedFd);

impl InternetSocket {
    /// `None` for any other descriptor.
    pub(super) fn recognise(fd: OwnedFd) -> Option<Self> {
        let number =
            |name| sockvs_sys::socket::number_option(fd.as_fd(), libc::SOL_SOCKET, name).ok();
        let multipath = number(libc::SO_PROTOCOL)? == libc::IPPROTO_MPTCP;
        let ours = match number(libc::SO_DOMAIN)? {
            libc::AF_INET => true,
            libc::AF_INET6 => number(libc::SO_TYPE)? != libc::SOCK_RAW,
            _ => false,
        };
        (ours && !multipath).then_some(Self(fd))
    }
}

impl AsFd for InternetSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<InternetSocket> for OwnedFd {
    fn from(socket: InternetSocket) -> Self {
        socket.0
    }
}

/// A call that waits for the daemon.
pub(super) struct OptionCall {
    pub(super) notification: u64,
    pub(super) tid: libc::pid_t,
    pub(super) socket: Arc<InternetSocket>,
    pub(super) call: Call,
    /// Where a `getsockopt` expects the value and its length.
    value_at: u64,
    length_at: u64,
    /// The value received so far.
    pieces: Vec<u8>,
}

/// Which of the two calls it is; `None` for any other call.
pub(super) fn direction(notification: &Notification) -> Option<Direction> {
    match notification.call {
        libc::SYS_setsockopt => Some(Direction::Set),
        libc::SYS_getsockopt => Some(Direction::Get),
        _ => None,
    }
}

/// Reads a call. The caller's memory is read only once.
pub(super) fn read(
    notification: &Notification,
    direction: Direction,
    target: &Target,
) -> Option<OptionCall> {
    let [fd, _, number, value_at, length, _] = notification.arguments;
    let socket = InternetSocket::recognise(target.descriptor(fd).ok()?)?;
    let number = low_half(number);
    let (length, length_at) = match direction {
        Direction::Set => (low_half(length), 0),
        Direction::Get => {
            let bytes = target.read(length, size_of::<libc::c_int>()).ok()?;
            (libc::c_int::from_ne_bytes(*bytes.first_chunk()?), length)
        }
    };
    // A negative length is an error in the kernel, whatever the option.
    let length_given = usize::try_from(length).ok()?;
    let needed = sockopt::argument_length(direction, number);
    let argument = if length_given < needed {
        Some(Vec::new())
    } else {
        target.read(value_at, needed).ok()
    };
    Some(OptionCall {
        notification: notification.id,
        tid: notification.tid,
        socket: Arc::new(socket),
        call: Call {
            direction,
            number,
            length,
            argument,
        },
        value_at,
        length_at,
        pieces: Vec::new(),
    })
}

impl OptionCall {
    /// Appends a piece of the value.
    pub(super) fn take(&mut self, piece: &[u8]) {
        self.pieces.extend(piece);
    }

    /// The result after the daemon has executed the call: writes the value to the caller's memory.
    pub(super) fn succeed(&self, notifier: &Notifier) -> Verdict {
        match self.call.direction {
            Direction::Set => Verdict::Returns(0),
            Direction::Get => match self.hand_over(notifier) {
                Ok(()) => Verdict::Returns(0),
                Err(errno) => Verdict::Fails(errno),
            },
        }
    }

    fn hand_over(&self, notifier: &Notifier) -> nix::Result<()> {
        let value = wire::decode_value(&self.pieces).ok_or(Errno::EIO)?;
        let room = usize::try_from(self.call.length).unwrap_or(0);
        if value.bytes.len() > room || !notifier.still_waits(self.notification) {
            return Err(Errno::EFAULT);
        }
        let target = Target::new(self.tid);
        target.write(self.value_at, &value.bytes)?;
        target.write(self.length_at, &value.length.to_ne_bytes())
    }
}
