//! The way into network namespaces.
//!
//! Of a client's, the hook tells only the cookie. A socket belongs to the namespace in which it was
//! opened. Most often its process is in it still, but a process may go elsewhere, and may have
//! ended. So there are several places to look, and what is found counts only if it has the right
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
/// How many descriptors of a process are looked at that may not administer the network.
const MOST_DESCRIPTORS: usize = 1024;

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

/// Through a netlink socket of the process that belongs to the namespace.
fn by_its_sockets(request: &Request) -> Option<OwnedFd> {
    let (pid, wanted) = (request.pid, request.namespace);
    let process = pidfd_open(pid, 0).ok()?;
    // Somebody may have very many.
    let most = if request.net_admin {
        usize::MAX
    } else {
        MOST_DESCRIPTORS
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    descriptors.take(most).find_map(|entry| {
        let number: RawFd = entry.file_name().to_str()?.parse().ok()?;
        let socket = foreign::netlink_socket(process.as_fd(), &entry.path(), number)?;
        if cookie_of_socket(socket.as_fd()).ok()? != wanted {
            return None;
        }
        right(of_socket(socket.as_fd()).ok()?, wanted)
    })
}

/// By a name that was given to the namespace.
fn by_name(wanted: u64) -> Option<OwnedFd> {
    named().find_map(|path| right(File::open(path).ok()?.into(), wanted))
}

fn right(netns: OwnedFd, wanted: u64) -> Option<OwnedFd> {
    (cookie(netns.as_fd()).ok()? == wanted).then_some(netns)
}
