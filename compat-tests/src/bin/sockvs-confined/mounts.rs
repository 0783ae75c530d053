//! A mount namespace in which little can be written.

use std::{ffi::CString, os::unix::ffi::OsStrExt as _, path::Path};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use super::unit::Unit;

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

const READ_ONLY: u64 = 1;

pub(crate) fn confine(unit: &Unit, runtime: &Path) -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)?;
    if unit.says("ProtectSystem", "strict") {
        // To be writable, it has to be a mount of its own.
        mount(Some(runtime), runtime, none, MsFlags::MS_BIND, none)?;
        set(Path::new("/"), READ_ONLY, 0)?;
        for writable in [
            Path::new("/proc"),
            Path::new("/sys"),
            Path::new("/dev"),
            runtime,
        ] {
            set(writable, 0, READ_ONLY)?;
        }
    }
    if unit.says("ProtectControlGroups", "yes") {
        set(Path::new("/sys/fs/cgroup"), READ_ONLY, 0)?;
    }
    Ok(())
}

/// Changes a mount and all below it.
fn set(path: &Path, set: u64, clear: u64) -> nix::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let attributes = Attributes {
        set,
        clear,
        propagation: 0,
        user_namespace: 0,
    };
    // SAFETY: the kernel reads the path and the structure, whose size it is told.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    })
    .map(drop)
}
