//! The supervisor's connection to the daemon. Nothing here blocks.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::Result;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, sendmsg,
    setsockopt, socket, sockopt,
};

use super::root_socket;
use super::wire::{Answer, LARGEST_PACKET, LARGEST_PIECE, Request};

/// The descriptor that is sent with a request.
pub(super) type Descriptor = Arc<dyn AsFd + Send + Sync>;

/// A request that did not fit the socket's buffer yet.
struct Unsent {
    packet: Vec<u8>,
    socket: Descriptor,
}

/// The connection, while there is one.
pub(super) struct Link {
    path: PathBuf,
    connection: Option<Arc<OwnedFd>>,
    unsent: VecDeque<Unsent>,
}

/// The connection is broken.
#[derive(Debug)]
pub(super) struct Lost;

/// Why a request was not sent.
pub(super) enum Failure {
    /// The request itself was refused.
    Refused(Errno),
    /// The daemon has ended.
    Lost,
}

impl Link {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            connection: None,
            unsent: VecDeque::new(),
        }
    }

    /// Connects unless connected; returns whether there is a connection.
    pub(super) fn open(&mut self) -> bool {
        if self.connection.is_none() {
            // Root has a separate socket, unless the daemon is an older one.
            let root = root_socket(&self.path);
            let connection = dial(&root).or_else(|_| dial(&self.path));
            self.connection = connection.ok().map(Arc::new);
        }
        self.connection.is_some()
    }

    /// Closes the connection and drops unsent requests.
    pub(super) fn close(&mut self) {
        self.connection = None;
        self.unsent.clear();
    }

    pub(super) fn descriptor(&self) -> Option<Arc<OwnedFd>> {
        self.connection.clone()
    }

    pub(super) fn wants_to_send(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends a request, or queues it for [`flush`](Self::flush).
    pub(super) fn submit(
        &mut self,
        request: Request,
        contents: &[u8],
        socket: &Descriptor,
    ) -> std::result::Result<(), Failure> {
        let connection = self.connection.as_ref().ok_or(Failure::Lost)?;
        let unsent = Unsent {
            packet: request.encode(contents),
            socket: Arc::clone(socket),
        };
        if self.unsent.is_empty() {
            match transmit(connection, &unsent) {
                Err(Errno::EAGAIN) => {}
                Err(Errno::EMSGSIZE) => return Err(Failure::Refused(Errno::EMSGSIZE)),
                Err(Errno::ETOOMANYREFS | Errno::ENOBUFS | Errno::ENOMEM) => {
                    return Err(Failure::Refused(Errno::ENOBUFS));
                }
                Err(_) => return Err(Failure::Lost),
                Ok(()) => return Ok(()),
            }
        }
        self.unsent.push_back(unsent);
        Ok(())
    }

    /// Sends queued requests, as far as they fit.
    pub(super) fn flush(&mut self) -> std::result::Result<(), Lost> {
        let connection = self.connection.as_ref().ok_or(Lost)?;
        while let Some(unsent) = self.unsent.front() {
            match transmit(connection, unsent) {
                Err(Errno::EAGAIN) => return Ok(()),
                Err(_) => return Err(Lost),
                Ok(()) => drop(self.unsent.pop_front()),
            }
        }
        Ok(())
    }

    /// The next answer with its contents, if there is one. An invalid answer ends the connection.
    pub(super) fn receive(&mut self) -> std::result::Result<Option<(Answer, Vec<u8>)>, Lost> {
        let connection = self.connection.as_ref().ok_or(Lost)?;
        let mut packet = [0; Answer::LENGTH + LARGEST_PIECE + 1];
        match recv(connection.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(_) => Err(Lost),
            Ok(length) => packet
                .get(..length)
                .and_then(Answer::decode)
                .map(|(answer, contents)| Some((answer, contents.to_vec())))
                .ok_or(Lost),
        }
    }
}

/// Connects without waiting.
fn dial(path: &Path) -> Result<OwnedFd> {
    let address = UnixAddr::new(path)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let connection = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    // The send buffer must hold a whole packet. The privileged option may exceed the system's
    // limit.
    let room = 2 * LARGEST_PACKET;
    if setsockopt(&connection, sockopt::SndBufForce, &room).is_err() {
        let _ = setsockopt(&connection, sockopt::SndBuf, &room);
    }
    connect(connection.as_raw_fd(), &address)?;
    Ok(connection)
}

fn transmit(connection: &OwnedFd, unsent: &Unsent) -> Result<()> {
    let descriptors = [unsent.socket.as_fd().as_raw_fd()];
    sendmsg::<UnixAddr>(
        connection.as_raw_fd(),
        &[IoSlice::new(&unsent.packet)],
        &[ControlMessage::ScmRights(&descriptors)],
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        None,
    )
    .map(drop)
}
