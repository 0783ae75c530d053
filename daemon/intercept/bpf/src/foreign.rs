//! Duplicates descriptors of other processes. Closing one may block for as long as its owner likes:
//! a TCP socket can linger, a user's file system may not answer. So only netlink sockets are
//! duplicated, which do neither; if a duplicate turns out to be something else, it is closed on a
//! separate thread.

use std::{
    ffi::CString,
    os::{
        fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use nix::errno::Errno;

use sockvs_sys::process::pidfd_getfd;

/// The attribute with the protocol of a socket's file (`sockfs_xattr_get`).
const PROTOCOL: &std::ffi::CStr = c"system.sockprotoname";
const NETLINK: &[u8] = b"NETLINK\0";
/// The maximum number of threads that close descriptors. At the limit, nothing is duplicated.
const MOST_CLOSING: usize = 16;

static CLOSING: AtomicUsize = AtomicUsize::new(0);

/// Duplicates a process's descriptor, which is at `path` in `/proc`, if it is a netlink socket.
pub(super) fn netlink_socket(
    process: BorrowedFd<'_>,
    path: &Path,
    number: RawFd,
) -> Option<OwnedFd> {
    if !says_netlink(path) || CLOSING.load(Ordering::Relaxed) >= MOST_CLOSING {
        return None;
    }
    let socket = pidfd_getfd(process, number).ok()?;
    if is_netlink(&socket) {
        return Some(socket);
    }
    // The descriptor was replaced since it was checked.
    close_elsewhere(socket);
    None
}

fn says_netlink(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    let mut name = [0_u8; 32];
    // SAFETY: both names end with a NUL, and the kernel writes at most as many bytes as the buffer
    // has.
    let length = unsafe {
        libc::getxattr(
            path.as_ptr(),
            PROTOCOL.as_ptr(),
            name.as_mut_ptr().cast(),
            name.len(),
        )
    };
    Errno::result(length).is_ok() && name.starts_with(NETLINK)
}

fn is_netlink(socket: &OwnedFd) -> bool {
    let mut domain: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of_val(&domain)).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes, which is the size of the number.
    let asked = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DOMAIN,
            (&raw mut domain).cast(),
            &raw mut length,
        )
    };
    asked == 0 && domain == libc::AF_NETLINK
}

fn close_elsewhere(descriptor: OwnedFd) {
    CLOSING.fetch_add(1, Ordering::Relaxed);
    let closing = thread::Builder::new().spawn(move || {
        drop(descriptor);
        CLOSING.fetch_sub(1, Ordering::Relaxed);
    });
    if closing.is_err() {
        CLOSING.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsFd as _};

    use nix::sys::socket::{SockFlag, SockProtocol};

    use super::*;
    use sockvs_sys::{netlink, process::pidfd_open};

    #[test]
    fn only_netlink_sockets_are_duplicated() {
        let own = pidfd_open(nix::unistd::getpid().as_raw(), 0).unwrap();
        let duplicate = |number: RawFd| {
            let path = format!("/proc/self/fd/{number}");
            netlink_socket(own.as_fd(), Path::new(&path), number)
        };
        let netlink = netlink::open(SockProtocol::NetlinkGeneric, SockFlag::empty()).unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(duplicate(netlink.as_raw_fd()).is_some());
        assert!(duplicate(other.as_raw_fd()).is_none());
        assert!(duplicate(-1).is_none());
    }
}
