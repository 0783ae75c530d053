//! The way into a client's network namespace. The hook tells only its cookie.
//!
//! A socket belongs to the namespace in which it was opened. Most often its process is in it still,
//! but a process may go elsewhere, and may have ended. So there are several places to look, and what
//! is found counts only if it has the right cookie.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, UdpSocket},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::fs::MetadataExt as _,
    },
    path::Path,
    sync::LazyLock,
};

use super::Request;
use crate::{
    family::{inside, namespace_cookie, namespace_of_socket},
    intercept::seccomp::sys::{pidfd_getfd, pidfd_open},
};

/// Our own namespace.
const OWN: &str = "/proc/self/ns/net";
/// Where `ip netns` and container engines keep namespaces by name.
pub(super) const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];
/// The number of the initial process namespace's file (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: u64 = 0xefff_fffc;

/// Opens the namespace of the client's socket.
pub(super) fn open(request: &Request) -> io::Result<OwnedFd> {
    let wanted = request.namespace;
    let mut places = vec![OWN.to_owned()];
    if sees_all_processes() {
        places.push(format!(
            "/proc/{}/task/{}/ns/net",
            request.pid, request.thread
        ));
        places.push(format!("/proc/{}/ns/net", request.pid));
    }
    let open = |place: &String| right(File::open(place).ok()?.into(), wanted);
    places
        .iter()
        .find_map(open)
        .or_else(|| {
            sees_all_processes()
                .then(|| by_its_sockets(request.pid, wanted))
                .flatten()
        })
        .or_else(|| by_name(wanted))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it cannot be found"))
}

/// Whether process ids mean the same to us as to the hook.
pub(super) fn sees_all_processes() -> bool {
    static SEES: LazyLock<bool> = LazyLock::new(|| {
        fs::metadata("/proc/self/ns/pid").is_ok_and(|file| file.ino() == INITIAL_PID_NAMESPACE)
    });
    *SEES
}

/// Through a socket of the process that belongs to the namespace.
fn by_its_sockets(pid: i32, wanted: u64) -> Option<OwnedFd> {
    let pidfd = pidfd_open(pid, 0).ok()?;
    fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .flatten()
        .find_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            if !target.to_str()?.starts_with("socket:") {
                return None;
            }
            let number: RawFd = entry.file_name().to_str()?.parse().ok()?;
            let socket = pidfd_getfd(pidfd.as_fd(), number).ok()?;
            if namespace_cookie(socket.as_fd()).ok()? != wanted {
                return None;
            }
            right(namespace_of_socket(socket.as_fd()).ok()?, wanted)
        })
}

/// By a name that was given to the namespace.
fn by_name(wanted: u64) -> Option<OwnedFd> {
    NAMED
        .iter()
        .filter_map(|folder| fs::read_dir(Path::new(folder)).ok())
        .flatten()
        .flatten()
        .find_map(|entry| right(File::open(entry.path()).ok()?.into(), wanted))
}

fn right(netns: OwnedFd, wanted: u64) -> Option<OwnedFd> {
    (cookie(netns.as_fd()).ok()? == wanted).then_some(netns)
}

/// The cookie of a namespace.
pub(super) fn cookie(netns: BorrowedFd<'_>) -> io::Result<u64> {
    inside(netns, || {
        namespace_cookie(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.as_fd())
    })
}
