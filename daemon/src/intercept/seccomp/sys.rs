//! The few system calls that neither std nor nix offers, each with a safe face.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::Result;
use nix::errno::Errno;

/// `pidfd_open`: refers to one thread, whichever of its process it is (Linux 6.9).
pub(super) const PIDFD_THREAD: libc::c_int = libc::O_EXCL;
/// `getsockopt`: a pidfd of the process that connected (Linux 6.5).
const SO_PEERPIDFD: libc::c_int = 77;

/// Takes over what a system call that makes a descriptor returned.
fn made(result: libc::c_long) -> Result<OwnedFd> {
    let fd = Errno::result(result)?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor that stands for a process.
pub(in crate::intercept) fn pidfd_open(pid: libc::pid_t, flags: libc::c_int) -> Result<OwnedFd> {
    // SAFETY: takes two numbers.
    made(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) })
}

/// A duplicate of another process's descriptor.
pub(in crate::intercept) fn pidfd_getfd(process: BorrowedFd<'_>, fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: takes three numbers.
    made(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) })
}

/// Loads a seccomp filter for the calling thread and returns its listener.
pub(super) fn seccomp_listener(
    program: &mut [libc::sock_filter],
    flags: libc::c_ulong,
) -> Result<OwnedFd> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the kernel only reads `program`, which lives and is `len` instructions long.
    made(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    })
}

/// Closes every descriptor from `first` to `last`. Nothing in this process may own one of them any
/// more.
pub(super) fn close_range(first: RawFd, last: RawFd) -> Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: takes three numbers; the caller gives up what owned them.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Lets `tracer` look into this process where the Yama security module asks for leave; without Yama
/// it does nothing.
pub(super) fn allow_tracer(tracer: libc::pid_t) {
    // SAFETY: takes numbers.
    let _ = unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::c_long::from(tracer), 0, 0, 0) };
}

/// A socket option of exactly `N` bytes.
pub(super) fn option<const N: usize>(
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
pub(super) fn number_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
) -> Result<libc::c_int> {
    option(socket, level, name).map(libc::c_int::from_ne_bytes)
}

/// A pidfd of the process at the other end of a Unix connection, where the kernel knows how.
pub(super) fn peer_pidfd(socket: BorrowedFd<'_>) -> Result<OwnedFd> {
    made(number_option(socket, libc::SOL_SOCKET, SO_PEERPIDFD)?.into())
}

mod namespace_ioctl {
    //! Questions to a namespace's file (`linux/nsfs.h`), as nix's macros make them.
    const NSIO: u8 = 0xb7;
    nix::ioctl_none!(owner, NSIO, 1);
    nix::ioctl_none!(parent, NSIO, 2);
    nix::ioctl_none!(kind, NSIO, 3);
    nix::ioctl_read_bad!(maker, nix::request_code_none!(NSIO, 4), libc::uid_t);
}

/// Whether a namespace's file is that of a network namespace.
pub(super) fn is_network_namespace(namespace: BorrowedFd<'_>) -> bool {
    // SAFETY: takes no argument.
    let kind = unsafe { namespace_ioctl::kind(namespace.as_raw_fd()) };
    kind == Ok(libc::CLONE_NEWNET)
}

/// The user namespace that a namespace belongs to.
pub(in crate::intercept) fn owner_of_namespace(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    // SAFETY: takes no argument.
    made(unsafe { namespace_ioctl::owner(namespace.as_raw_fd()) }?.into())
}

/// The user namespace that a user namespace was made in.
pub(in crate::intercept) fn parent_of_namespace(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    // SAFETY: takes no argument.
    made(unsafe { namespace_ioctl::parent(namespace.as_raw_fd()) }?.into())
}

/// The user who made a user namespace.
pub(in crate::intercept) fn maker_of_namespace(namespace: BorrowedFd<'_>) -> Result<libc::uid_t> {
    let mut user = 0;
    // SAFETY: the kernel writes the one number that the reference points to.
    unsafe { namespace_ioctl::maker(namespace.as_raw_fd(), &raw mut user) }?;
    Ok(user)
}

/// Takes back a `connect(2)`.
pub(super) fn disconnect(socket: BorrowedFd<'_>) -> Result<()> {
    const NOWHERE: [u8; 16] = [0; 16];
    const { assert!(libc::AF_UNSPEC == 0 && size_of::<libc::sockaddr>() == NOWHERE.len()) };
    // SAFETY: the kernel only reads `NOWHERE`, which is 16 bytes long.
    Errno::result(unsafe { libc::connect(socket.as_raw_fd(), NOWHERE.as_ptr().cast(), 16) })
        .map(drop)
}

/// Has the calling process take a processor only where others leave it.
pub(super) fn be_nice() {
    const NICE: libc::c_int = 10;
    // SAFETY: takes numbers. Should the kernel refuse, nothing is changed.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// Ends this process at once, without what it would do at its end.
pub(super) fn leave(status: libc::c_int) -> ! {
    // SAFETY: ends the process; no code runs after it.
    unsafe { libc::_exit(status) }
}
