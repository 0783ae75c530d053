//! The way into network namespaces.
//!
//! Of a client's, the hook tells only the cookie. A socket belongs to the namespace in which it was opened. Most often its process is in it still,
//! but a process may go elsewhere, and may have ended. So there are several places to look, and what
//! is found counts only if it has the right cookie.

use std::{
    collections::HashSet,
    fs::{self, DirEntry, File},
    io,
    net::{Ipv4Addr, UdpSocket},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::fs::MetadataExt as _,
    },
    path::PathBuf,
    sync::LazyLock,
};

use super::{Request, foreign};
use crate::{
    family::{namespace_cookie, namespace_of_socket},
    intercept::seccomp::sys::pidfd_open,
    netns::inside,
};

/// Our own namespace.
const OWN: &str = "/proc/self/ns/net";
/// Where `ip netns` and container engines keep namespaces by name.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];
/// How many descriptors of a process are looked at that may not administer the network.
const MOST_DESCRIPTORS: usize = 1024;
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
                .then(|| by_its_sockets(request))
                .flatten()
        })
        .or_else(|| by_name(wanted))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it cannot be found"))
}

/// Whether process ids mean the same to us as to the hook.
pub(in crate::intercept) fn sees_all_processes() -> bool {
    static SEES: LazyLock<bool> = LazyLock::new(|| {
        fs::metadata("/proc/self/ns/pid").is_ok_and(|file| file.ino() == INITIAL_PID_NAMESPACE)
    });
    *SEES
}

/// Through a netlink socket of the process that belongs to the namespace.
fn by_its_sockets(request: &Request) -> Option<OwnedFd> {
    let (pid, wanted) = (request.pid, request.namespace);
    let process = pidfd_open(pid, 0).ok()?;
    // Somebody may have very many.
    let most = if request.may_administer {
        usize::MAX
    } else {
        MOST_DESCRIPTORS
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    descriptors.take(most).find_map(|entry| {
        let number: RawFd = entry.file_name().to_str()?.parse().ok()?;
        let socket = foreign::netlink_socket(process.as_fd(), &entry.path(), number)?;
        if namespace_cookie(socket.as_fd()).ok()? != wanted {
            return None;
        }
        right(namespace_of_socket(socket.as_fd()).ok()?, wanted)
    })
}

/// By a name that was given to the namespace.
fn by_name(wanted: u64) -> Option<OwnedFd> {
    named().find_map(|path| right(File::open(path).ok()?.into(), wanted))
}

/// Our own namespace, and what to call it.
pub(super) fn own() -> Vec<(String, OwnedFd)> {
    let own = File::open(OWN).ok();
    own.into_iter()
        .map(|own| ("our own network namespace".to_owned(), own.into()))
        .collect()
}

/// Each network namespace that can be found, and what to call it. One that nothing but sockets
/// keeps in being cannot.
pub(in crate::intercept) fn all() -> Vec<(String, OwnedFd)> {
    let identity = |file: &File| file.metadata().map(|file| (file.dev(), file.ino())).ok();
    let mut found = own();
    let mut seen: HashSet<_> = File::open(OWN)
        .ok()
        .as_ref()
        .and_then(identity)
        .into_iter()
        .collect();
    let of_processes = entries("/proc")
        .filter(|entry| {
            entry
                .file_name()
                .as_encoded_bytes()
                .iter()
                .all(u8::is_ascii_digit)
        })
        .map(|entry| entry.path().join("ns/net"));
    for path in named().chain(of_processes) {
        // A process may have ended since it was listed.
        let Ok(file) = File::open(&path) else {
            continue;
        };
        if identity(&file).is_some_and(|identity| seen.insert(identity)) {
            found.push((
                format!("the network namespace {}", path.display()),
                file.into(),
            ));
        }
    }
    found
}

fn named() -> impl Iterator<Item = PathBuf> {
    NAMED
        .iter()
        .flat_map(|folder| entries(folder))
        .map(|entry| entry.path())
}

fn entries(folder: &str) -> impl Iterator<Item = DirEntry> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

fn right(netns: OwnedFd, wanted: u64) -> Option<OwnedFd> {
    (cookie(netns.as_fd()).ok()? == wanted).then_some(netns)
}

/// The cookie of a namespace.
pub(in crate::intercept) fn cookie(netns: BorrowedFd<'_>) -> io::Result<u64> {
    inside(netns, || {
        namespace_cookie(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.as_fd())
    })
}
