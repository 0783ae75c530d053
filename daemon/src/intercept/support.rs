//! Which interceptors this kernel allows.

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
