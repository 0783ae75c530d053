//! `connect(2)` with `AF_UNSPEC`: a socket is connected no more.

use std::os::fd::{AsFd, AsRawFd as _};

use nix::errno::Errno;

/// Ends a socket's connection, and leaves the socket.
///
/// # Errors
///
/// The errno of `connect`.
pub fn unconnect(socket: impl AsFd) -> Result<(), Errno> {
    // SAFETY: plain data, of which zeros are a value; `AF_UNSPEC` is zero.
    let nowhere: libc::sockaddr = unsafe { std::mem::zeroed() };
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr>()).unwrap_or(0);
    // SAFETY: an open descriptor and an address of that length, which the call only reads.
    let result = unsafe { libc::connect(socket.as_fd().as_raw_fd(), &raw const nowhere, length) };
    Errno::result(result).map(drop)
}
