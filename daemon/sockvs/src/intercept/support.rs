//! Checks which interceptors this kernel supports.

use sockvs_intercept_bpf::{Error, Hook};

/// Whether the kernel has seccomp user notification (Linux 5.0), which `sockvs exec` requires.
#[must_use]
pub fn seccomp() -> bool {
    let action = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: this operation reads the action and changes nothing.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0,
            &raw const action,
        )
    };
    result == 0
}

/// Checks whether an eBPF program can take the requests of all clients. It attaches one for a
/// moment, for no network namespace.
///
/// # Errors
///
/// When it cannot; the error says why.
pub fn bpf() -> Result<(), Error> {
    Hook::probe()
}
