//! System calls about processes and their descriptors that `std` and `nix` lack.

use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use nix::{Result, errno::Errno};

/// `pidfd_open`: refers to any thread, not only to a thread group leader (Linux 6.9).
pub const PIDFD_THREAD: libc::c_int = libc::O_EXCL;

/// Takes ownership of a descriptor that a system call returned.
pub(crate) fn made(result: libc::c_long) -> Result<OwnedFd> {
    let fd = Errno::result(result)?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just created this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Opens a pidfd.
pub fn pidfd_open(pid: libc::pid_t, flags: libc::c_int) -> Result<OwnedFd> {
    // SAFETY: takes two numbers.
    made(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) })
}

/// Duplicates another process's descriptor.
pub fn pidfd_getfd(process: BorrowedFd<'_>, fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: takes three numbers.
    made(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) })
}

/// Closes every descriptor from `first` to `last`. Nothing in this process may own one of them.
pub fn close_range(first: RawFd, last: RawFd) -> Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: takes three numbers; the caller has given up ownership of the descriptors.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Allows `tracer` to access this process if the Yama security module restricts it; without Yama
/// this has no effect.
pub fn allow_tracer(tracer: libc::pid_t) {
    // SAFETY: takes numbers.
    let _ = unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::c_long::from(tracer), 0, 0, 0) };
}

/// Lowers the priority of the calling thread.
pub fn be_nice() {
    const NICE: libc::c_int = 10;
    // SAFETY: takes numbers. If the kernel refuses, nothing changes.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// Exits immediately, without exit handlers.
pub fn leave(status: libc::c_int) -> ! {
    // SAFETY: ends the process; no code runs after it.
    unsafe { libc::_exit(status) }
}

/// Installs a seccomp filter for the calling thread and returns its listener.
pub fn seccomp_listener(
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

/// Sets the scheduling policy of the calling thread so that its wake-up does not preempt another
/// thread (`SCHED_BATCH`).
///
/// The netlink hook wakes the daemon at its end. If the daemon preempted the client on the same
/// CPU, the client would be suspended inside the hook, and the kernel does not run the hook for any
/// other task on that CPU until it has returned.
pub fn do_not_preempt() {
    let normal = libc::sched_param { sched_priority: 0 };
    // SAFETY: the kernel reads the structure. If it refuses, nothing changes.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const normal) };
}
