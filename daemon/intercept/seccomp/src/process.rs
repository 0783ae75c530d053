//! Reads the credentials and namespaces of a process from /proc.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::MetadataExt,
};

use nix::Result;
use nix::errno::Errno;

/// The capability that changing IPVS requires.
const CAP_NET_ADMIN: u32 = 12;

/// More than the usual length of the text.
const LENGTH: usize = 4096;

/// The text of /proc/PID/status.
struct Status(String);

impl Status {
    fn of(pid: libc::pid_t) -> Result<Self> {
        // The size of the file is unknown, so reading would otherwise begin with a few bytes.
        let mut text = String::with_capacity(LENGTH);
        File::open(format!("/proc/{pid}/status"))
            .and_then(|mut file| file.read_to_string(&mut text))
            .map_err(errno)?;
        Ok(Self(text))
    }

    /// The value of one line.
    fn field(&self, name: &str) -> Result<&str> {
        self.0
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
            .ok_or(Errno::EINVAL)
    }
}

fn errno(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw)
}

/// Device and inode of a namespace's file: they are equal for processes in the same namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Namespace(u64, u64);

impl From<libc::stat> for Namespace {
    fn from(file: libc::stat) -> Self {
        Self(file.st_dev, file.st_ino)
    }
}

/// A namespace of a process.
pub(super) fn namespace(pid: libc::pid_t, kind: &str) -> Result<Namespace> {
    let file = fs::metadata(format!("/proc/{pid}/ns/{kind}")).map_err(errno)?;
    Ok(Namespace(file.dev(), file.ino()))
}

/// This process's id, as a `pid_t`.
pub(super) fn own_pid() -> libc::pid_t {
    nix::unistd::getpid().as_raw()
}

/// The process of a thread.
pub(super) fn group(tid: libc::pid_t) -> Result<libc::pid_t> {
    Status::of(tid)?
        .field("Tgid")?
        .parse()
        .map_err(|_| Errno::EINVAL)
}

/// Whether a thread has CAP_NET_ADMIN in our own user namespace.
pub(super) fn net_admin(tid: libc::pid_t) -> Result<bool> {
    Ok(user_and_capability(tid)?.1 && namespace(tid, "user")? == namespace(own_pid(), "user")?)
}

/// A thread's effective user, and whether it has CAP_NET_ADMIN in its own user namespace.
pub(super) fn user_and_capability(tid: libc::pid_t) -> Result<(libc::uid_t, bool)> {
    let status = Status::of(tid)?;
    let effective = u64::from_str_radix(status.field("CapEff")?, 16).map_err(|_| Errno::EINVAL)?;
    // Real, effective, saved, file system.
    let user = status.field("Uid")?.split_whitespace().nth(1);
    let user = user.and_then(|user| user.parse().ok());
    let user = user.ok_or(Errno::EINVAL)?;
    Ok((user, effective & (1 << CAP_NET_ADMIN) != 0))
}

/// Whether a thread has the same users, groups, capabilities and namespaces as this process. Only
/// then may this process send messages in its place.
pub(super) fn has_our_standing(tid: libc::pid_t) -> Result<bool> {
    let (theirs, ours) = (Status::of(tid)?, Status::of(own_pid())?);
    for name in ["Uid", "Gid", "Groups", "CapEff"] {
        if theirs.field(name)? != ours.field(name)? {
            return Ok(false);
        }
    }
    for kind in ["user", "pid", "net", "mnt"] {
        if namespace(tid, kind)? != namespace(own_pid(), kind)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The number of threads of this process.
pub(super) fn threads() -> Result<usize> {
    fs::read_dir("/proc/self/task")
        .map(Iterator::count)
        .map_err(errno)
}
