//! What neither `std` nor `nix` offers about processes and their descriptors.

use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use nix::{Result, errno::Errno};

/// `pidfd_open`: refers to one thread, whichever of its process it is (Linux 6.9).
pub const PIDFD_THREAD: libc::c_int = libc::O_EXCL;

/// Takes over what a system call that makes a descriptor returned.
pub(crate) fn made(result: libc::c_long) -> Result<OwnedFd> {
    let fd = Errno::result(result)?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor that stands for a process.
pub fn pidfd_open(pid: libc::pid_t, flags: libc::c_int) -> Result<OwnedFd> {
    // SAFETY: takes two numbers.
    made(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) })
}

/// A duplicate of another process's descriptor.
pub fn pidfd_getfd(process: BorrowedFd<'_>, fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: takes three numbers.
    made(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) })
}

/// Closes every descriptor from `first` to `last`. Nothing in this process may own one of them any
/// more.
pub fn close_range(first: RawFd, last: RawFd) -> Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: takes three numbers; the caller gives up what owned them.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Lets `tracer` look into this process where the Yama security module asks for leave; without Yama
/// it does nothing.
pub fn allow_tracer(tracer: libc::pid_t) {
    // SAFETY: takes numbers.
    let _ = unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::c_long::from(tracer), 0, 0, 0) };
}

/// Has the calling thread get less of the processor where others want it, too.
pub fn be_nice() {
    const NICE: libc::c_int = 10;
    // SAFETY: takes numbers. Should the kernel refuse, nothing is changed.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// Ends this process at once, without what it would do at its end.
pub fn leave(status: libc::c_int) -> ! {
    // SAFETY: ends the process; no code runs after it.
    unsafe { libc::_exit(status) }
}

/// Loads a seccomp filter for the calling thread and returns its listener.
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

/// Asks the scheduler that the calling thread never takes a processor from another one when it
/// wakes up (`SCHED_BATCH`).
///
/// The netlink hook's last act wakes the daemon. Were the daemon to start at once, on the same
/// processor, the client would stand still inside the hook, and the kernel does not run the hook for
/// any other task on that processor until it has come out.
pub fn do_not_preempt() {
    let normal = libc::sched_param { sched_priority: 0 };
    // SAFETY: the kernel reads the structure. Should it refuse, nothing is changed.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const normal) };
}
