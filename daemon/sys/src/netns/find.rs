//! Finds network namespaces. It cannot find one that only sockets keep alive.

use std::{
    collections::HashSet,
    fs::{self, DirEntry, File},
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::PathBuf,
    sync::LazyLock,
};

/// Our own namespace.
const OWN: &str = "/proc/self/ns/net";
/// Where `ip netns` and container engines keep namespaces by name.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];
/// The inode of the initial PID namespace (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: u64 = 0xefff_fffc;

/// Whether process ids are the same for us and for eBPF programs.
#[must_use]
pub fn sees_all_processes() -> bool {
    static SEES: LazyLock<bool> = LazyLock::new(|| {
        fs::metadata("/proc/self/ns/pid").is_ok_and(|file| file.ino() == INITIAL_PID_NAMESPACE)
    });
    *SEES
}

/// Our own namespace, with a description.
#[must_use]
pub fn own() -> Vec<(String, OwnedFd)> {
    let own = File::open(OWN).ok();
    own.into_iter()
        .map(|own| ("our own network namespace".to_owned(), own.into()))
        .collect()
}

/// All network namespaces that can be found, with descriptions. One that only sockets keep alive is
/// missing.
#[must_use]
pub fn all() -> Vec<(String, OwnedFd)> {
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

/// The namespaces that have names.
pub fn named() -> impl Iterator<Item = PathBuf> {
    NAMED
        .iter()
        .flat_map(|folder| entries(folder))
        .map(|entry| entry.path())
}

fn entries(folder: &str) -> impl Iterator<Item = DirEntry> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

/// The network namespace with this inode, found by a process in it.
///
/// # Errors
///
/// `NotFound` if no process is in it.
pub fn with_inode(inode: u32) -> io::Result<File> {
    let others = fs::read_dir("/proc")?.flatten().map(|entry| entry.path());
    for process in std::iter::once(PathBuf::from("/proc/self")).chain(others) {
        let path = process.join("ns/net");
        // Most entries of /proc are not processes, and a process may end at any time.
        let Ok(namespace) = File::open(path) else {
            continue;
        };
        if namespace.metadata()?.ino() == u64::from(inode) {
            return Ok(namespace);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "no process is in its network namespace",
    ))
}
