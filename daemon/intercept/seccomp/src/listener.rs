//! The daemon's Unix sockets for supervisors: one for all users, and one for root only, which other
//! users cannot block.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::socket::SockType;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tracing::{debug, warn};

use super::client::Supervisor;
use super::relay::{Audience, Peer, Relay};
use super::{Handler, connection, root_socket};
use sockvs_sys::descriptors;
use sockvs_sys::socket_file::{self, Place};
use sockvs_sys::{capabilities, process};

/// The delay before a relay is restarted.
const BREATH: Duration = Duration::from_millis(500);
/// How long an idle thread that waited for a client is kept.
const IDLE_THREAD: Duration = Duration::from_secs(2);

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another daemon listens there.
    #[error("{}: another daemon is listening there", .0.display())]
    Taken(PathBuf),
    /// A file that is not a socket has this name.
    #[error("{}: there is something else of that name", .0.display())]
    NotASocket(PathBuf),
    /// A system call failed.
    #[error("{}: {source}", path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A listening socket. Its file is removed when it is dropped.
#[derive(Debug)]
struct Socket {
    audience: Audience,
    socket: OwnedFd,
    path: PathBuf,
    /// Device and inode of the file to remove.
    file: (u64, u64),
}

/// The sockets for supervisors. Their files are removed when it is dropped.
#[derive(Debug)]
pub struct Listener {
    everybody: Socket,
    root: Socket,
}

/// Serves the supervisors until it is dropped. Dropping does not wait for them.
#[derive(Debug)]
pub struct Service {
    runtimes: Vec<Runtime>,
}

impl Service {
    /// Stops it, and waits at most `limit` for requests that are being executed.
    pub fn end_within(mut self, limit: Duration) {
        for runtime in self.runtimes.drain(..) {
            runtime.shutdown_timeout(limit);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.runtimes
            .drain(..)
            .for_each(Runtime::shutdown_background);
    }
}

impl Listener {
    /// Opens a socket for all users (permissions are checked for each request), and one for root
    /// beside it. A socket file on which no process listens is replaced.
    ///
    /// # Errors
    ///
    /// When another process listens there, or a file cannot be created.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            everybody: Socket::open(Audience::Everybody, path.to_owned(), 0o666)?,
            root: Socket::open(Audience::Root, root_socket(path), 0o600)?,
        })
    }

    /// Serves all supervisors.
    ///
    /// # Errors
    ///
    /// When a thread or process cannot be started.
    pub fn serve(self, handler: &Arc<dyn Handler>) -> io::Result<Service> {
        let mut service = Service {
            runtimes: Vec::new(),
        };
        let mut runtime = |name| {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name(name)
                .thread_keep_alive(IDLE_THREAD)
                .enable_all()
                .on_thread_start(|| {
                    process::do_not_preempt();
                    capabilities::keep_needed();
                })
                .build()?;
            let handle = runtime.handle().clone();
            service.runtimes.push(runtime);
            io::Result::Ok(handle)
        };
        let first = runtime("exec-first")?;
        let others = runtime("exec-others")?;
        for (socket, on) in [(self.root, &first), (self.everybody, &others)] {
            let relay = Relay::start(socket.audience, socket.socket.as_fd())?;
            let served = Served {
                handler: Arc::clone(handler),
                first: first.clone(),
            };
            on.spawn(served.accept(socket, relay));
        }
        Ok(service)
    }
}

impl Socket {
    fn open(audience: Audience, path: PathBuf, permissions: u32) -> Result<Self, Error> {
        let open = || {
            let socket = match socket_file::claim(&path)? {
                Place::Free => socket_file::open(&path, SockType::SeqPacket, permissions)?,
                Place::Taken => return Ok(Err(Error::Taken(path.clone()))),
                Place::NotASocket => return Ok(Err(Error::NotASocket(path.clone()))),
            };
            Ok(Ok((socket, identity(&path)?)))
        };
        let result = open().map_err(|source| Error::System {
            path: path.clone(),
            source,
        });
        let (socket, file) = result??;
        Ok(Self {
            audience,
            socket,
            path,
            file,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// What connections are served with.
struct Served {
    handler: Arc<dyn Handler>,
    /// The runtime that executes requests of administrators.
    first: Handle,
}

impl Served {
    /// Serves the supervisors that a relay accepts. Never returns; a relay that ends is replaced.
    async fn accept(self, socket: Socket, mut relay: Relay) {
        loop {
            match self.meet_all(&relay).await {
                Ok(()) => warn!("the process that accepts supervisors has ended"),
                Err(error) => warn!(%error, "supervisors are not accepted any more"),
            }
            // Waiting for it may block forever.
            thread::spawn(|| relay.collect());
            relay = loop {
                tokio::time::sleep(BREATH).await;
                match Relay::start(socket.audience, socket.socket.as_fd()) {
                    Ok(relay) => break relay,
                    Err(error) => debug!(%error, "no process to accept supervisors"),
                }
            };
        }
    }

    async fn meet_all(&self, relay: &Relay) -> io::Result<()> {
        // It carries packets, too.
        let channel = UnixStream::from_std(relay.channel.try_clone()?.into())?;
        loop {
            descriptors::wait_for_room().await;
            let met = channel.async_io(Interest::READABLE, || Peer::meet(channel.as_fd()));
            let Some((peer, connection)) = met.await? else {
                return Ok(());
            };
            if let Err(error) = self.welcome(&peer, connection) {
                debug!(uid = peer.uid, %error, "cannot serve a supervisor");
            }
        }
    }

    /// Serves a connection in its own task.
    fn welcome(&self, peer: &Peer, connection: OwnedFd) -> io::Result<()> {
        let supervisor = Supervisor::of(peer)?;
        let on = if supervisor.goes_first() {
            self.first.clone()
        } else {
            Handle::current()
        };
        let handler = Arc::clone(&self.handler);
        let uid = peer.uid;
        on.spawn(async move {
            let served = async {
                // It carries packets; tokio's type is only used to wait for readiness.
                let stream = UnixStream::from_std(connection.into())?;
                connection::serve(stream, supervisor, &*handler).await
            };
            if let Err(error) = served.await {
                debug!(uid, %error, "supervisor's connection ended");
            }
        });
        Ok(())
    }
}
