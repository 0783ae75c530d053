//! Calls that open a file of IPVS in `/proc/net` and `/proc/sys/net/ipv4/vs`: the daemon sends the
//! contents, and the caller gets a descriptor of an anonymous file with them.
//!
//! Only opening for reading is served, and only by the usual absolute paths. [`None`] leaves the
//! call to the kernel.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::notification::{Notification, Notifier};
use super::target::{Target, low_half};
use sockvs_server::procfs::Place;

const PAGE: usize = 4096;
/// `O_PATH` and the like are not for reading.
const READ_ONLY_MASK: libc::c_int = libc::O_ACCMODE | libc::O_PATH | libc::O_DIRECTORY;

/// A call that waits for the daemon.
pub(super) struct FileCall {
    pub(super) notification: u64,
    pub(super) tid: libc::pid_t,
    /// The caller's network namespace.
    pub(super) namespace: Arc<OwnedFd>,
    pub(super) path: String,
    close_on_exec: bool,
    /// The contents received so far.
    pieces: Vec<u8>,
}

/// The system calls that open files.
#[cfg(target_arch = "x86_64")]
pub(super) const CALLS: [libc::c_long; 3] = [libc::SYS_openat, libc::SYS_open, libc::SYS_openat2];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const CALLS: [libc::c_long; 2] = [libc::SYS_openat, libc::SYS_openat2];

/// Whether a call opens a file.
pub(super) fn opens(notification: &Notification) -> bool {
    CALLS.contains(&notification.call)
}

/// Reads the arguments of a call.
pub(super) fn read(notification: &Notification, target: &Target) -> Option<FileCall> {
    let [first, second, third, ..] = notification.arguments;
    let at = match notification.call {
        libc::SYS_openat | libc::SYS_openat2 => second,
        _ => first,
    };
    let path = path(target, at)?;
    Place::of_path(&path)?;
    let flags = match notification.call {
        libc::SYS_openat => low_half(third),
        // `struct open_how` begins with 64 bits of flags.
        libc::SYS_openat2 => {
            let flags = target.read(third, size_of::<u64>()).ok()?;
            low_half(u64::from_ne_bytes(*flags.first_chunk()?))
        }
        _ => low_half(second),
    };
    if flags & READ_ONLY_MASK != libc::O_RDONLY {
        return None;
    }
    let namespace = File::open(format!("/proc/{}/ns/net", notification.tid)).ok()?;
    Some(FileCall {
        notification: notification.id,
        tid: notification.tid,
        namespace: Arc::new(namespace.into()),
        path,
        close_on_exec: flags & libc::O_CLOEXEC != 0,
        pieces: Vec::new(),
    })
}

/// A path that is short enough to be one of IPVS.
fn path(target: &Target, at: u64) -> Option<String> {
    // The next page may not be mapped.
    let page = u64::try_from(PAGE).ok()?;
    let left = usize::try_from(page - at % page).ok()?;
    let mut bytes = target.read(at, left.min(Place::LONGEST)).ok()?;
    if !bytes.contains(&0) && bytes.len() < Place::LONGEST {
        let next = at.checked_add(u64::try_from(left).ok()?)?;
        bytes.extend(target.read(next, Place::LONGEST - left).ok()?);
    }
    let end = bytes.iter().position(|byte| *byte == 0)?;
    bytes.truncate(end);
    String::from_utf8(bytes).ok()
}

impl FileCall {
    /// Appends a piece of the contents.
    pub(super) fn take(&mut self, piece: &[u8]) {
        self.pieces.extend(piece);
    }

    /// Ends the call: its caller gets a descriptor from which it can read the contents.
    pub(super) fn succeed(&self, notifier: &Notifier) -> nix::Result<()> {
        let file = memfd_create(c"ip_vs", MFdFlags::MFD_CLOEXEC)?;
        let mut writer = File::from(file);
        let errno =
            |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        writer.write_all(&self.pieces).map_err(errno)?;
        // Reopened, so that the descriptor is read-only and has its own position.
        let reader = File::open(format!("/proc/self/fd/{}", writer.as_raw_fd())).map_err(errno)?;
        notifier.give(self.notification, &reader, self.close_on_exec)
    }
}
