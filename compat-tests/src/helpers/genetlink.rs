//! Sockets of generic netlink, as the programs that send bytes of their own making open them.

use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// Opens a socket, which is not bound yet.
///
/// # Errors
///
/// Those of `socket`.
pub fn open() -> nix::Result<OwnedFd> {
    socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkGeneric,
    )
}
