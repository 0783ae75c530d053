//! Receives one packet and all its descriptors without losing any.
//!
//! It calls `recvmsg` directly, as nix reports a truncated control message without returning the
//! descriptors that did arrive, so that they could not be closed.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

/// The most descriptors of one packet (`SCM_MAX_FD`), and the size of their control message.
const MOST_DESCRIPTORS: usize = 253;
const CONTROL_HEADER: usize = size_of::<libc::cmsghdr>();
const CONTROL_WORDS: usize =
    (CONTROL_HEADER + MOST_DESCRIPTORS * size_of::<RawFd>()).div_ceil(8) + 8;

/// A received packet.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
    pub(super) descriptors: Vec<OwnedFd>,
    /// Some descriptors were lost because this process had none free.
    pub(super) cut: bool,
}

/// Receives the next packet without blocking; `None` at the end of the connection. A packet longer
/// than `longest` is an error.
pub(super) fn receive(connection: BorrowedFd<'_>, longest: usize) -> io::Result<Option<Packet>> {
    let look = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
    let length = recv(connection.as_raw_fd(), &mut [], look)?;
    if length == 0 {
        return Ok(None);
    }
    if length > longest {
        return Err(Errno::EMSGSIZE.into());
    }
    let mut bytes = vec![0_u8; length];
    let mut control = [0_u64; CONTROL_WORDS];
    let mut piece = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: length,
    };
    // SAFETY: a message header of zeros is a valid one.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut piece;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: `header` describes `bytes` and `control`, which live and are as long as it says.
    let received = unsafe { libc::recvmsg(connection.as_raw_fd(), &raw mut header, flags) };
    let received = usize::try_from(Errno::result(received)?).unwrap_or(0);
    bytes.truncate(received);
    let filled = (header.msg_controllen as usize).min(size_of_val(&control));
    let control: Vec<u8> = control
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .take(filled)
        .collect();
    let descriptors = descriptors(&control);
    let cut = header.msg_flags & (libc::MSG_CTRUNC | libc::MSG_TRUNC) != 0;
    Ok(Some(Packet {
        bytes,
        descriptors,
        cut,
    }))
}

/// Takes ownership of the descriptors in a control buffer that the kernel has just filled.
fn descriptors(mut control: &[u8]) -> Vec<OwnedFd> {
    const NUMBERS: usize = 8 + 2 * size_of::<libc::c_int>();
    const { assert!(CONTROL_HEADER == NUMBERS) };
    let number = |at: usize, from: &[u8]| {
        from.get(at..)
            .and_then(|from| from.first_chunk().copied())
            .map(RawFd::from_ne_bytes)
    };
    let mut all = Vec::new();
    while let Some(length) = control.first_chunk().copied().map(usize::from_ne_bytes) {
        let Some(message) = control.get(..length).filter(|_| length >= CONTROL_HEADER) else {
            break;
        };
        if number(8, message) == Some(libc::SOL_SOCKET)
            && number(12, message) == Some(libc::SCM_RIGHTS)
        {
            for fd in message
                .get(CONTROL_HEADER..)
                .unwrap_or_default()
                .chunks_exact(4)
            {
                if let Some(fd) = number(0, fd) {
                    // SAFETY: the kernel has just created this descriptor in our process, and it
                    // occurs once.
                    all.push(unsafe { OwnedFd::from_raw_fd(fd) });
                }
            }
        }
        control = control
            .get(length.next_multiple_of(8)..)
            .unwrap_or_default();
    }
    all
}
