//! Which interceptors this kernel allows.

use sockvs_intercept_bpf::{Error, Hook};

/// Whether the kernel has seccomp user notification (Linux 5.0), which `sockvs exec` is made of.
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

/// Whether the kernel lets an eBPF program take requests from all clients. For a moment one is in
/// force, but for no network namespace.
///
/// # Errors
///
/// When it does not; the error says why.
pub fn bpf() -> Result<(), Error> {
    Hook::probe()
}
