//! The daemon's Unix socket, where supervisors connect.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use super::client::Supervisor;
use super::{Handler, connection};
use crate::descriptors;
use crate::socket_file::{self, Place};

/// The most connections; users other than root share fewer, so that they cannot keep root out.
const MOST_CONNECTIONS: usize = 1024;
const MOST_OF_OTHERS: usize = 256;
const BACKLOG: i32 = 1024;
/// How long to wait when a connection cannot be accepted, for want of descriptors or memory.
const BREATH: Duration = Duration::from_millis(50);

/// Why the socket could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A daemon answers there.
    #[error("{}: another daemon is listening there", .0.display())]
    Taken(PathBuf),
    /// Something that is no socket has the name.
    #[error("{}: there is something else of that name", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("{}: {source}", path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// Where supervisors connect. Its file goes when it is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: Option<OwnedFd>,
    path: PathBuf,
    /// Device and inode: the file that is ours to remove.
    file: (u64, u64),
}

impl Listener {
    /// Opens the socket for every user: what a client may do is decided request by request. A
    /// socket file that nobody listens to any more is replaced.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let system = |source: io::Error| Error::System {
            path: path.to_owned(),
            source,
        };
        match socket_file::clear(path).map_err(system)? {
            Place::Free => {}
            Place::Taken => return Err(Error::Taken(path.to_owned())),
            Place::NotASocket => return Err(Error::NotASocket(path.to_owned())),
        }
        let socket = open(path).map_err(|errno| system(errno.into()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(system)?;
        let file = identity(path).map_err(system)?;
        Ok(Self {
            socket: Some(socket),
            path: path.to_owned(),
            file,
        })
    }

    /// Serves all supervisors, for ever.
    pub async fn serve(mut self, handler: Arc<dyn Handler>) {
        let Some(socket) = self.socket.take() else {
            return;
        };
        let socket = match UnixListener::from_std(socket.into()) {
            Ok(socket) => socket,
            Err(error) => return warn!(%error, "cannot wait for supervisors"),
        };
        let all = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let others = Arc::new(Semaphore::new(MOST_OF_OTHERS));
        loop {
            descriptors::wait_for_room().await;
            match socket.accept().await {
                Ok((connection, _)) => admit(connection, &all, &others, &handler),
                Err(error) => {
                    debug!(%error, "cannot accept a supervisor");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(socket)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Serves a connection from a task of its own, if there is room for it; else closes it.
fn admit(
    stream: UnixStream,
    all: &Arc<Semaphore>,
    others: &Arc<Semaphore>,
    handler: &Arc<dyn Handler>,
) {
    let supervisor = match Supervisor::of(&stream) {
        Ok(supervisor) => supervisor,
        Err(error) => return debug!(%error, "cannot tell who a supervisor is"),
    };
    let uid = supervisor.uid;
    let Some(permits) = permits(uid, all, others) else {
        return debug!(uid, "too many supervisors");
    };
    let handler = Arc::clone(handler);
    tokio::spawn(async move {
        if let Err(error) = connection::serve(stream, supervisor, &*handler).await {
            debug!(uid, %error, "supervisor's connection ended");
        }
        drop(permits);
    });
}

fn permits(
    uid: libc::uid_t,
    all: &Arc<Semaphore>,
    others: &Arc<Semaphore>,
) -> Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)> {
    let take = |from: &Arc<Semaphore>| Arc::clone(from).try_acquire_owned().ok();
    let other = if uid == 0 { None } else { Some(take(others)?) };
    Some((take(all)?, other))
}
