//! Socket options and calls that `std` and `nix` lack.

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use nix::{Result, errno::Errno};

use crate::process::made;

/// `getsockopt`: a pidfd of the process that connected (Linux 6.5).
const SO_PEERPIDFD: libc::c_int = 77;

/// A socket option of exactly `N` bytes.
pub fn option<const N: usize>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
) -> Result<[u8; N]> {
    let mut value = [0; N];
    let mut length = libc::socklen_t::try_from(N).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel writes at most `length` bytes, and `value` has as many.
    Errno::result(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    if usize::try_from(length) == Ok(N) {
        Ok(value)
    } else {
        Err(Errno::EINVAL)
    }
}

/// A socket option that is a number.
pub fn number_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
) -> Result<libc::c_int> {
    option(socket, level, name).map(libc::c_int::from_ne_bytes)
}

/// A pidfd of the peer of a Unix connection, if the kernel supports it.
pub fn peer_pidfd(socket: BorrowedFd<'_>) -> Result<OwnedFd> {
    made(number_option(socket, libc::SOL_SOCKET, SO_PEERPIDFD)?.into())
}

/// Dissolves the association of a `connect(2)`.
pub fn disconnect(socket: BorrowedFd<'_>) -> Result<()> {
    const NOWHERE: [u8; 16] = [0; 16];
    const { assert!(libc::AF_UNSPEC == 0 && size_of::<libc::sockaddr>() == NOWHERE.len()) };
    // SAFETY: the kernel only reads `NOWHERE`, which is 16 bytes long.
    Errno::result(unsafe { libc::connect(socket.as_raw_fd(), NOWHERE.as_ptr().cast(), 16) })
        .map(drop)
}
