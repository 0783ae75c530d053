//! The listener of a seccomp filter: receives notifications of calls, and responds to them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::Result;
use nix::errno::Errno;

mod ioctl {
    //! The listener's ioctls, as nix's macros make them.
    nix::ioctl_readwrite!(receive, b'!', 0, libc::seccomp_notif);
    nix::ioctl_readwrite!(respond, b'!', 1, libc::seccomp_notif_resp);
    nix::ioctl_write_ptr!(is_valid, b'!', 2, u64);
    nix::ioctl_write_ptr!(add_fd, b'!', 3, libc::seccomp_notif_addfd);
    // Defined as if it took a pointer to 64 bits; the argument is the number itself.
    nix::ioctl_write_int_bad!(
        set_flags,
        nix::request_code_write!(b'!', 4, size_of::<u64>())
    );
}

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` (Linux 6.6).
const SYNC_WAKE_UP: libc::c_int = 1;

/// One system call that waits for a response.
#[derive(Clone, Copy)]
pub(super) struct Notification {
    /// The kernel's id of this call.
    pub(super) id: u64,
    /// The thread that made it.
    pub(super) tid: libc::pid_t,
    /// Its number.
    pub(super) call: libc::c_long,
    /// Its arguments.
    pub(super) arguments: [u64; 6],
}

/// The response to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The kernel executes it as usual.
    Continue,
    /// It is not executed; its caller gets this result.
    Returns(usize),
    /// It is not executed; its caller gets this error.
    Fails(Errno),
}

/// The listener of a filter.
pub(super) struct Notifier(OwnedFd);

impl Notifier {
    pub(super) fn new(listener: OwnedFd) -> Self {
        // Caller and supervisor take turns: sharing a processor is quicker than waking another one.
        // SAFETY: takes a number.
        let _ = unsafe { ioctl::set_flags(listener.as_raw_fd(), SYNC_WAKE_UP) };
        Self(listener)
    }

    /// Receives the next call. Fails with ENOENT if its caller was killed meanwhile.
    pub(super) fn receive(&self) -> Result<Notification> {
        let mut raw = libc::seccomp_notif {
            id: 0,
            pid: 0,
            flags: 0,
            data: libc::seccomp_data {
                nr: 0,
                arch: 0,
                instruction_pointer: 0,
                args: [0; 6],
            },
        };
        // SAFETY: `raw` is the zeroed structure that the kernel asks for and fills.
        unsafe { ioctl::receive(self.0.as_raw_fd(), &raw mut raw) }?;
        Ok(Notification {
            id: raw.id,
            tid: libc::pid_t::try_from(raw.pid).map_err(|_| Errno::ESRCH)?,
            call: raw.data.nr.into(),
            arguments: raw.data.args,
        })
    }

    /// Whether the call still waits. If so, its thread id still refers to the same thread.
    pub(super) fn still_waits(&self, id: u64) -> bool {
        // SAFETY: the kernel reads the one number that the reference points to.
        unsafe { ioctl::is_valid(self.0.as_raw_fd(), &raw const id) }.is_ok()
    }

    /// Responds with a duplicate of a descriptor as the call's result (Linux 5.14).
    pub(super) fn give(&self, id: u64, fd: &impl AsFd, close_on_exec: bool) -> Result<()> {
        let number = |n: libc::c_int| u32::try_from(n).map_err(|_| Errno::EINVAL);
        let request = libc::seccomp_notif_addfd {
            id,
            flags: u32::try_from(libc::SECCOMP_ADDFD_FLAG_SEND).map_err(|_| Errno::EINVAL)?,
            srcfd: number(fd.as_fd().as_raw_fd())?,
            newfd: 0,
            newfd_flags: if close_on_exec {
                number(libc::O_CLOEXEC)?
            } else {
                0
            },
        };
        // SAFETY: the kernel reads the structure that the reference points to.
        unsafe { ioctl::add_fd(self.0.as_raw_fd(), &raw const request) }.map(drop)
    }

    /// Responds to a call. If the caller has ended, the error is ignored.
    pub(super) fn respond(&self, id: u64, verdict: Verdict) {
        let mut raw = libc::seccomp_notif_resp {
            id,
            val: 0,
            error: 0,
            flags: 0,
        };
        match verdict {
            Verdict::Continue => {
                raw.flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1);
            }
            Verdict::Returns(value) => raw.val = i64::try_from(value).unwrap_or(i64::MAX),
            Verdict::Fails(errno) => raw.error = -(errno as i32),
        }
        // SAFETY: `raw` is the complete structure that the kernel asks for.
        let _ = unsafe { ioctl::respond(self.0.as_raw_fd(), &raw mut raw) };
    }
}

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
