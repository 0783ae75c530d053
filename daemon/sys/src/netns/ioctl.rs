//! The ioctls of a namespace's file (`ioctl_ns(2)`).

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use nix::Result;

use crate::process::made;

mod request {
    //! The ioctls of a namespace's file (`linux/nsfs.h`), by nix's macros.
    const NSIO: u8 = 0xb7;
    nix::ioctl_none!(owner, NSIO, 1);
    nix::ioctl_none!(parent, NSIO, 2);
    nix::ioctl_none!(kind, NSIO, 3);
    nix::ioctl_read_bad!(maker, nix::request_code_none!(NSIO, 4), libc::uid_t);
}

/// Whether a namespace's file is that of a network namespace.
pub fn is_network_namespace(namespace: BorrowedFd<'_>) -> bool {
    // SAFETY: takes no argument.
    let kind = unsafe { request::kind(namespace.as_raw_fd()) };
    kind == Ok(libc::CLONE_NEWNET)
}

/// The user namespace that a namespace belongs to.
pub fn owner_of(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    // SAFETY: takes no argument.
    made(unsafe { request::owner(namespace.as_raw_fd()) }?.into())
}

/// The user namespace that a user namespace was made in.
pub fn parent_of(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    // SAFETY: takes no argument.
    made(unsafe { request::parent(namespace.as_raw_fd()) }?.into())
}

/// The user who made a user namespace.
pub fn maker_of(namespace: BorrowedFd<'_>) -> Result<libc::uid_t> {
    let mut user = 0;
    // SAFETY: the kernel writes the one number that the reference points to.
    unsafe { request::maker(namespace.as_raw_fd(), &raw mut user) }?;
    Ok(user)
}
