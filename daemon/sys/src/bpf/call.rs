//! The system call `bpf(2)`.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};

/// Executes a command. `attr` is its part of `union bpf_attr`, up to the last field that is set;
/// the kernel takes the rest for zero.
pub(crate) fn bpf<T>(command: libc::c_long, attr: &T) -> io::Result<i32> {
    // SAFETY: `attr` is the command's part of `union bpf_attr`, of the size that is passed; the
    // kernel uses it, and what it points to, only during the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attr),
            size_of::<T>(),
        )
    };
    number(result)
}

/// As [`bpf`], for a command that writes to `attr`.
pub(crate) fn bpf_mut<T>(command: libc::c_long, attr: &mut T) -> io::Result<i32> {
    // SAFETY: as above; the kernel writes within the command's part of `union bpf_attr` only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attr),
            size_of::<T>(),
        )
    };
    number(result)
}

fn number(result: libc::c_long) -> io::Result<i32> {
    i32::try_from(result)
        .ok()
        .filter(|result| *result >= 0)
        .ok_or_else(io::Error::last_os_error)
}

/// As [`bpf`], for a command that returns a descriptor.
pub(crate) fn descriptor<T>(command: libc::c_long, attr: &T) -> io::Result<OwnedFd> {
    let fd = bpf(command, attr)?;
    // SAFETY: the kernel just returned this new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
