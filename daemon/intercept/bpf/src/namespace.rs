//! Opens network namespaces of clients.
//!
//! The hook only reports the cookie of a client's namespace. A socket belongs to the namespace in
//! which it was opened. Usually its process is still in it, but a process may change its namespace,
//! or have ended. So several places are searched, and a namespace is used only if it has the right
//! cookie.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd as _, OwnedFd, RawFd},
};

use sockvs_sys::{
    netns::{cookie, cookie_of_socket, named, of_socket, sees_all_processes},
    process::pidfd_open,
};

use super::{Request, foreign};

/// Our own namespace.
const OWN: &str = "/proc/self/ns/net";
/// How many descriptors of a process without `CAP_NET_ADMIN` are examined.
const MOST_DESCRIPTORS: usize = 1024;

/// Opens the namespace of the client's socket.
pub(super) fn open(request: &Request) -> io::Result<OwnedFd> {
    let cookie = request.namespace;
    let mut places = vec![OWN.to_owned()];
    if sees_all_processes() {
        places.push(format!(
            "/proc/{}/task/{}/ns/net",
            request.sender.pid, request.thread
        ));
        places.push(format!("/proc/{}/ns/net", request.sender.pid));
    }
    let open = |place: &String| right(File::open(place).ok()?.into(), cookie);
    places
        .iter()
        .find_map(open)
        .or_else(|| {
            sees_all_processes()
                .then(|| by_its_sockets(request))
                .flatten()
        })
        .or_else(|| by_name(cookie))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it cannot be found"))
}

/// Through a netlink socket of the process that belongs to the namespace.
fn by_its_sockets(request: &Request) -> Option<OwnedFd> {
    let (pid, cookie) = (request.sender.pid, request.namespace);
    let process = pidfd_open(pid, 0).ok()?;
    // A process may have very many.
    let most = if request.sender.net_admin {
        usize::MAX
    } else {
        MOST_DESCRIPTORS
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    descriptors.take(most).find_map(|entry| {
        let number: RawFd = entry.file_name().to_str()?.parse().ok()?;
        let socket = foreign::netlink_socket(process.as_fd(), &entry.path(), number)?;
        if cookie_of_socket(socket.as_fd()).ok()? != cookie {
            return None;
        }
        right(of_socket(socket.as_fd()).ok()?, cookie)
    })
}

/// Finds the namespace among those with a name.
fn by_name(expected: u64) -> Option<OwnedFd> {
    named().find_map(|path| right(File::open(path).ok()?.into(), expected))
}

fn right(netns: OwnedFd, expected: u64) -> Option<OwnedFd> {
    (cookie(netns.as_fd()).ok()? == expected).then_some(netns)
}
