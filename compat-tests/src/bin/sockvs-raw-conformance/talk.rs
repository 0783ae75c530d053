//! A netlink socket: sends a datagram and gathers all that comes back, but for what must differ.

use std::os::fd::{AsRawFd as _, OwnedFd};

use compat_tests::{genetlink, wire};
use nix::{
    errno::Errno,
    sys::{
        socket::{MsgFlags, NetlinkAddr, recv, sendto, setsockopt, sockopt},
        time::TimeVal,
    },
};

const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_MULTI`
const MULTI: u16 = 2;
/// The sequence number of the question whose answer shows that all others are there.
const LAST: u32 = u32::MAX;
const PATIENCE: TimeVal = TimeVal::new(3, 0);

/// A socket of the calling thread's namespace, and the family's number.
pub(crate) struct Socket {
    socket: OwnedFd,
    family: u16,
}

impl Socket {
    /// Opens one, which asks for extended acknowledgements.
    pub(crate) fn open() -> Result<Self, Errno> {
        let socket = genetlink::open()?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &PATIENCE)?;
        let one: libc::c_int = 1;
        // SAFETY: the kernel reads the integer, whose size it is given.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_NETLINK,
                libc::NETLINK_EXT_ACK,
                (&raw const one).cast(),
                4,
            )
        };
        Errno::result(result)?;
        let mut socket = Self { socket, family: 0 };
        socket.send(&question())?;
        let answer = socket.receive()?;
        socket.family = family(&answer).ok_or(Errno::ENOENT)?;
        Ok(socket)
    }

    /// The number of the family.
    pub(crate) fn family(&self) -> u16 {
        self.family
    }

    /// Sends a datagram, and gives every message that comes back. The port id and the number of the
    /// family are 0 in them. Lists of services are in order of their bytes.
    pub(crate) fn ask(&self, asked: &[u8]) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        if let Err(errno) = self.send(asked).and_then(|()| self.send(&question())) {
            messages.push(format!("sendto: {errno}").into_bytes());
            return messages;
        }
        let (mut last, mut listing) = (false, false);
        while !last || listing {
            let datagram = match self.receive() {
                Ok(datagram) => datagram,
                Err(errno) => {
                    messages.push(format!("recv: {errno}").into_bytes());
                    break;
                }
            };
            let mut rest = datagram.as_slice();
            while let Some(length) = length(rest) {
                let mut message = rest[..length].to_vec();
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                if word(&message, 8) == LAST {
                    last = true;
                    continue;
                }
                let kind = half(&message, 4);
                if half(&message, 6) & MULTI != 0 {
                    listing = kind != DONE && kind != ERROR;
                }
                self.mask(&mut message, word(asked, 8));
                messages.push(message);
            }
        }
        for run in messages.chunk_by_mut(|a, b| is_listed(a) && is_listed(b)) {
            run.sort();
        }
        messages
    }

    /// Hides what must differ in an answer to messages of this number.
    fn mask(&self, message: &mut [u8], number: u32) {
        let is_error = half(message, 4) == ERROR;
        self.mask_kind(&mut message[4..6]);
        message[12..16].fill(0);
        if !is_error {
            return;
        }
        // An error holds the message that it is about. As long as that claims to be, so that the
        // datagram's next ones may be in it: wherever a header begins, the number follows.
        for at in (24..message.len().saturating_sub(7)).step_by(4) {
            if word(message, at + 4) == number {
                self.mask_kind(&mut message[at..at + 2]);
            }
        }
    }

    fn mask_kind(&self, kind: &mut [u8]) {
        if kind == self.family.to_ne_bytes() {
            kind.fill(0);
        }
    }

    fn send(&self, datagram: &[u8]) -> Result<(), Errno> {
        let kernel = NetlinkAddr::new(0, 0);
        sendto(
            self.socket.as_raw_fd(),
            datagram,
            &kernel,
            MsgFlags::empty(),
        )
        .map(drop)
    }

    fn receive(&self) -> Result<Vec<u8>, Errno> {
        let mut buffer = vec![0; 1 << 16];
        let length = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// Asks for the family.
fn question() -> Vec<u8> {
    let asked = wire::generic(wire::GET_FAMILY, &[wire::text(wire::FAMILY_NAME, "IPVS")]);
    wire::message(wire::CONTROLLER, wire::REQUEST, LAST, &asked)
}

/// The family's number in the controller's answer.
fn family(answer: &[u8]) -> Option<u16> {
    let mut rest = answer.get(20..)?;
    while rest.len() >= 4 {
        let length = usize::from(half(rest, 0));
        if half(rest, 2) == wire::FAMILY_ID {
            return Some(half(rest, 4));
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// Whether it is an item of a list, but not the end of it.
fn is_listed(message: &[u8]) -> bool {
    message.len() >= 16 && half(message, 6) & MULTI != 0 && half(message, 4) != DONE
}

/// The length of the message that this starts with.
fn length(bytes: &[u8]) -> Option<usize> {
    let length = (bytes.len() >= 16).then(|| word(bytes, 0))?;
    usize::try_from(length)
        .ok()
        .filter(|length| (16..=bytes.len()).contains(length))
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
