//! Sockets that more than one descriptor or process has.

use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
        },
        wait::waitpid,
    },
    unistd::{ForkResult, dup, fork},
};
use std::io::IoSlice;

/// Closes the socket while a copy of it is there, which is closed last.
pub(crate) fn by_copy(socket: OwnedFd) -> Result<(), Errno> {
    let copy = dup(&socket)?;
    drop(socket);
    drop(copy);
    Ok(())
}

/// Another process has it, too, and ends.
pub(crate) fn by_process(socket: OwnedFd, child_is_last: bool) -> Result<(), Errno> {
    // SAFETY: this program has one thread, and the child does nothing but end.
    match unsafe { fork() }? {
        ForkResult::Child => {
            // SAFETY: ends the child at once, without running anything of this program.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            if child_is_last {
                drop(socket);
                waitpid(child, None)?;
            } else {
                waitpid(child, None)?;
                drop(socket);
            }
            Ok(())
        }
    }
}

/// The last reference to it is in a message that is never read.
pub(crate) fn by_message(socket: OwnedFd) -> Result<(), Errno> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (here, there) = socketpair(AddressFamily::Unix, SockType::Datagram, None, flags)?;
    let rights = [socket.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&rights)];
    let content = [IoSlice::new(b"x")];
    sendmsg::<()>(
        here.as_raw_fd(),
        &content,
        &message,
        MsgFlags::empty(),
        None,
    )?;
    drop(socket);
    drop(here);
    drop(there);
    Ok(())
}
