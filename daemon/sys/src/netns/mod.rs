//! Network namespaces: finding, entering and watching them, and their owners.
//!
//! A namespace is identified by its cookie (`SO_NETNS_COOKIE`), which is never reused.

mod find;
mod ioctl;
mod owner;
mod watcher;

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    thread,
};

use nix::sched::{CloneFlags, setns};

use crate::{process::made, socket};

pub use find::{all, named, own, sees_all_processes, with_inode};
pub use ioctl::{is_network_namespace, maker_of, owner_of as user_namespace_of, parent_of};
pub use owner::owner_of;
pub use watcher::{Adopted, NetnsWatcher};

/// Runs `act` inside a namespace, on a thread of its own. A failure to start the thread is returned
/// as an error.
///
/// # Errors
///
/// When no thread can be started, the namespace cannot be entered, or `act` fails.
pub fn inside<T: Send>(
    netns: BorrowedFd<'_>,
    act: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    thread::scope(|scope| {
        let entered = thread::Builder::new().spawn_scoped(scope, || {
            setns(netns, CloneFlags::CLONE_NEWNET)?;
            act()
        })?;
        entered
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
    })
}

/// The cookie of a namespace.
///
/// # Errors
///
/// When the namespace cannot be entered, or the kernel does not support cookies.
pub fn cookie(netns: BorrowedFd<'_>) -> io::Result<u64> {
    inside(netns, own_cookie)
}

/// The cookie of the calling thread's namespace.
///
/// # Errors
///
/// When no socket can be opened, or the kernel does not support cookies.
pub fn own_cookie() -> io::Result<u64> {
    cookie_of_socket(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.as_fd())
}

/// The cookie of the network namespace that a socket belongs to.
///
/// # Errors
///
/// When the kernel does not support it (`SO_NETNS_COOKIE`, Linux 5.14).
pub fn cookie_of_socket(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let cookie = socket::option(socket, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE)?;
    Ok(u64::from_ne_bytes(cookie))
}

/// The network namespace that a socket belongs to.
///
/// # Errors
///
/// When the kernel does not support it (`SIOCGSKNS`, Linux 4.10, needs `CAP_NET_ADMIN` there).
pub fn of_socket(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    /// From `linux/sockios.h`.
    const SIOCGSKNS: libc::c_ulong = 0x894c;
    // SAFETY: this request takes no argument and returns a new descriptor.
    let fd = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS) };
    Ok(made(fd.into())?)
}
