//! Ends connections from outside, like `ss --kill` (`SOCK_DESTROY`): an application that waits gets
//! `ECONNABORTED`, a TCP server gets a reset, and a UDP socket is disconnected.
//!
//! The request must be sent in the network namespace of the socket, which is found by a process in
//! it. A socket in a namespace without processes is not ended.
//! it; a socket in a namespace without any is left alone.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::PathBuf,
};

use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
        setsockopt, socket, sockopt,
    },
    time::TimeVal,
};
use sockvs_ebpf_common::{AddressWords, LiveConnection};

use sockvs_sys::netns::inside;

/// The type of the request (`linux/sock_diag.h`).
const SOCK_DESTROY: u16 = 21;
/// `NLM_F_REQUEST`, `NLM_F_ACK`.
const FLAGS: u16 = 1 | 4;
/// `nlmsghdr` and `inet_diag_req_v2`.
const LENGTH: u32 = 72;
/// The kernel answers during the send; there is no answer only if it has no memory.
const RECEIVE_TIMEOUT: TimeVal = TimeVal::new(1, 0);

/// Ends these connections.
///
/// # Errors
///
/// When a namespace cannot be entered, or the kernel refuses for another reason than that the
/// connection has already ended. `Unsupported` means that the kernel lacks this request.
pub(crate) fn destroy(connections: &[LiveConnection]) -> io::Result<()> {
    let mut by_namespace: HashMap<u32, Vec<&LiveConnection>> = HashMap::new();
    for connection in connections {
        by_namespace
            .entry(connection.netns_inode)
            .or_default()
            .push(connection);
    }
    for (inode, connections) in by_namespace {
        let netns = open_namespace(inode)?;
        inside(netns.as_fd(), || {
            let diag = open_diag()?;
            connections
                .iter()
                .try_for_each(|connection| destroy_one(&diag, connection))
        })?;
    }
    Ok(())
}

/// The network namespace with this inode, found by a process in it.
fn open_namespace(inode: u32) -> io::Result<File> {
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

fn open_diag() -> io::Result<OwnedFd> {
    let diag = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    setsockopt(&diag, sockopt::ReceiveTimeout, &RECEIVE_TIMEOUT)?;
    Ok(diag)
}

fn destroy_one(diag: &OwnedFd, connection: &LiveConnection) -> io::Result<()> {
    sendto(
        diag.as_raw_fd(),
        &request(connection),
        &NetlinkAddr::new(0, 0),
        MsgFlags::empty(),
    )?;
    let mut answer = [0; 256];
    let length = recv(diag.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // The error number follows the header.
    let error = answer
        .get(16..length)
        .and_then(|rest| rest.first_chunk())
        .map(|bytes| -i32::from_ne_bytes(*bytes));
    match error {
        Some(0 | libc::ENOENT) => Ok(()),
        Some(libc::EOPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// `nlmsghdr`, and `inet_diag_req_v2` with its `inet_diag_sockid`.
fn request(connection: &LiveConnection) -> Vec<u8> {
    let addresses = |words: &AddressWords| words.map(u32::to_ne_bytes).concat();
    let byte = |number: u16| u8::try_from(number).unwrap_or(0);
    [
        &LENGTH.to_ne_bytes()[..],
        &SOCK_DESTROY.to_ne_bytes(),
        &FLAGS.to_ne_bytes(),
        // Sequence number and port id, which are not used.
        &[0; 8],
        &[byte(connection.family), byte(connection.protocol), 0, 0],
        // All states.
        &u32::MAX.to_ne_bytes(),
        &connection.client_port.to_be_bytes(),
        // This one is in network byte order already.
        &connection.tuple.dport.to_ne_bytes(),
        &addresses(&connection.client),
        &addresses(&connection.tuple.daddr),
        &connection.device.to_ne_bytes(),
        // Lower half first.
        &connection.cookie.to_le_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requests_length_field_is_right() {
        let request = request(&LiveConnection::default());
        assert_eq!(request.len(), usize::try_from(LENGTH).unwrap());
    }
}
