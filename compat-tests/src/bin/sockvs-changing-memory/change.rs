//! The changes: what is rewritten while a call is made, and what may come of it.

use std::{
    fmt,
    mem::offset_of,
    os::fd::{AsFd as _, AsRawFd as _, IntoRawFd as _, OwnedFd, RawFd},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    sys::{
        socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket},
        stat::Mode,
    },
    unistd::{close, dup2_raw},
};

use crate::memory::{Arguments, CANARY, MESSAGES, Memory, PAGE};

/// `IP_VS_SO_GET_VERSION`
const GET_VERSION: libc::c_int = 1024 + 64;

/// What is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The whole message is another one.
    Message,
    /// The length in its header.
    Length,
    /// Where it is, and how long.
    Piece,
    /// How many pieces, and to whom.
    Header,
    /// The messages of a `sendmmsg`.
    Vector,
    /// Whether it can be read at all.
    Access,
    /// What the descriptor is.
    Descriptor,
    /// How much room there is for an option's value.
    Option,
}

/// What a call came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came(Result<usize, Errno>);

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(sent) => write!(f, "returns {sent}"),
            Err(errno) => write!(f, "fails {errno:?}"),
        }
    }
}

impl Change {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "message" => Self::Message,
            "length" => Self::Length,
            "piece" => Self::Piece,
            "header" => Self::Header,
            "vector" => Self::Vector,
            "access" => Self::Access,
            "descriptor" => Self::Descriptor,
            "option" => Self::Option,
            _ => return None,
        })
    }

    /// Changes the memory once more. `fd` is what the call is made on, `intended` what it should
    /// be.
    pub(crate) fn apply(
        self,
        memory: &Memory,
        messages: &[Vec<u8>; 2],
        fd: RawFd,
        intended: &OwnedFd,
        turn: usize,
    ) {
        let length = messages.first().map_or(0, Vec::len);
        let of = |values: &[usize]| values.get(turn % values.len()).copied().unwrap_or(0);
        let set = |offset, value| Memory::set::<usize>(memory.at(offset), value);
        let base = memory.message() as usize;
        match self {
            Self::Message => {
                if let Some(message) = messages.get(turn % 2) {
                    memory.set_message(message);
                }
            }
            Self::Length => {
                let claims = [length, 0, 15, length + 4, PAGE, u32::MAX as usize];
                let claim = u32::try_from(of(&claims)).unwrap_or(0);
                Memory::set(memory.message(), claim);
            }
            Self::Piece | Self::Vector => {
                let piece = offset_of!(Arguments, piece);
                set(
                    piece + offset_of!(libc::iovec, iov_len),
                    of(&[length, PAGE, PAGE + 1, 0, 1 << 30, usize::MAX]),
                );
                set(
                    piece + offset_of!(libc::iovec, iov_base),
                    of(&[base, base, base + PAGE, base, 0]),
                );
            }
            Self::Header => {
                let name = memory.at(offset_of!(Arguments, name)) as usize;
                set(
                    offset_of!(libc::msghdr, msg_iovlen),
                    of(&[1, 0, 1, 1024, 1025, usize::MAX]),
                );
                set(offset_of!(libc::msghdr, msg_name), of(&[name, 0, 8, name]));
                let lengths = [12, 0, 1, 128, 129, u32::MAX as usize];
                let length = u32::try_from(of(&lengths)).unwrap_or(0);
                Memory::set(memory.at(offset_of!(libc::msghdr, msg_namelen)), length);
                let port = offset_of!(Arguments, name) + offset_of!(libc::sockaddr_nl, nl_pid);
                Memory::set(memory.at(port), u32::from(turn.is_multiple_of(3)) * 4242);
            }
            Self::Access => memory.allow(turn.is_multiple_of(2)),
            Self::Descriptor => redirect(fd, intended, turn),
            Self::Option => {
                let lengths = [64, 8, 0, u32::MAX as usize, 1 << 20];
                let length = u32::try_from(of(&lengths)).unwrap_or(0);
                Memory::set(memory.at(offset_of!(Arguments, value_length)), length);
            }
        }
    }

    /// Makes the call.
    pub(crate) fn call(self, memory: &Memory, fd: RawFd) -> Came {
        let arguments = memory.arguments();
        let result = match self {
            Self::Vector => {
                let count = MESSAGES;
                // SAFETY: the kernel refuses what it cannot read or write.
                unsafe { libc::syscall(libc::SYS_sendmmsg, fd, arguments, count, 0) }
            }
            Self::Option => {
                let (value, length) = (
                    memory.at(offset_of!(Arguments, value)),
                    memory.at(offset_of!(Arguments, value_length)),
                );
                let Ok(fd) = internet() else {
                    return Came(Err(Errno::EMFILE));
                };
                let (fd, level) = (fd.as_raw_fd(), libc::IPPROTO_IP);
                // SAFETY: as above; what it writes is within the arguments' two pages.
                unsafe {
                    libc::syscall(libc::SYS_getsockopt, fd, level, GET_VERSION, value, length)
                }
            }
            // SAFETY: the kernel refuses what it cannot read.
            _ => unsafe { libc::syscall(libc::SYS_sendmsg, fd, arguments, libc::MSG_DONTWAIT) },
        };
        Came(Errno::result(result).map(|sent| usize::try_from(sent).unwrap_or(usize::MAX)))
    }

    /// What is wrong with that. `length` is how long the message is.
    pub(crate) fn check(self, memory: &Memory, came: &Came, length: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        let may_be: &[usize] = match self {
            Self::Message | Self::Length | Self::Access => &[length],
            Self::Piece => &[length, PAGE, 0],
            Self::Header => &[length, 0],
            // What it leads to takes them as they are.
            Self::Descriptor => &[length],
            Self::Vector => &[1, 2, 3, 4],
            Self::Option => &[0],
        };
        match came.0 {
            Ok(sent) if !may_be.contains(&sent) => wrong.push(format!("returned {sent}")),
            Err(Errno::ENOSYS) => {
                wrong.push("its calls are decided about by no supervisor any more".to_owned())
            }
            _ => {}
        }
        let now = memory.now();
        if (now.vector_canary, now.value_canary) != (CANARY, CANARY) {
            wrong.push("memory behind the arguments was written".to_owned());
        }
        if self == Self::Vector {
            for entry in now.vector {
                let sent = usize::try_from(entry.msg_len).unwrap_or(usize::MAX);
                if ![0, length, PAGE].contains(&sent) {
                    wrong.push(format!("a message of {sent} bytes"));
                }
            }
        }
        wrong
    }
}

fn internet() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Inet, SockType::Datagram, flags, None)
}

/// Makes a descriptor one of something else.
fn redirect(fd: RawFd, intended: &OwnedFd, turn: usize) {
    let other = match turn % 5 {
        1 => open(
            "/dev/null",
            OFlag::O_WRONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        ),
        2 => internet(),
        3 => socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        ),
        4 => {
            // It is open again in the next turn.
            let _ = close(fd);
            return;
        }
        _ => intended
            .as_fd()
            .try_clone_to_owned()
            .map_err(|_| Errno::EMFILE),
    };
    if let Ok(other) = other {
        // SAFETY: callers may use this descriptor with any file behind it; no other value owns its
        // number, except for the moment in which it is closed.
        if let Ok(led) = unsafe { dup2_raw(&other, fd) } {
            let _ = led.into_raw_fd();
        }
    }
}
