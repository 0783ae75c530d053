//! The daemon's side of the control socket: accepts clients and answers their requests.

use std::{
    fs, io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::sys::socket::SockType;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};

use sockvs_datapath::MapUsage;
use sockvs_ipvs::{Namespace, Owner};
use sockvs_server::{
    control::{Facts, Request, reply},
    state::{Actor, IpvsState},
};
use sockvs_sys::{
    descriptors,
    netns::{self, NetnsWatcher},
    rate_limit::RateLimit,
    socket_file::{self, Place},
};

/// The time limit for a client's request, and for sending the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// The most clients at once. Further ones are not accepted until one has finished.
const MOST_CLIENTS: usize = 128;

static NOT_ACCEPTED: RateLimit = RateLimit::new();

/// The control socket. Its file is removed when it is dropped.
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Opens the socket. The file of an earlier daemon is replaced.
    ///
    /// # Errors
    ///
    /// When the directory cannot be created or the socket cannot be opened.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // A socket on which a process listens belongs to a daemon with another pin directory.
        match socket_file::claim(path)? {
            Place::Free => {}
            Place::Taken => return Err(io::ErrorKind::AddrInUse.into()),
            Place::NotASocket => {
                return Err(io::Error::other("there is something else of that name"));
            }
        }
        let socket = socket_file::open(path, SockType::Stream, 0o600)?;
        Ok(Self {
            listener: UnixListener::from_std(socket.into())?,
            path: path.to_owned(),
        })
    }

    /// Answers requests until the daemon ends. `watcher` starts watching each namespace whose
    /// sysctls are changed.
    pub async fn serve(
        self,
        facts: Facts,
        state: IpvsState,
        watcher: Arc<NetnsWatcher>,
        usage: Arc<MapUsage>,
    ) {
        let answering = Arc::new(Answering {
            facts,
            state,
            watcher,
            usage,
        });
        let places = Arc::new(Semaphore::new(MOST_CLIENTS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            descriptors::wait_for_room().await;
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let answering = Arc::clone(&answering);
                    tokio::spawn(async move {
                        match timeout(PATIENCE, answering.answer(stream)).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => tracing::debug!(%error, "control client lost"),
                            Err(_) => tracing::debug!("control client read nothing"),
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    if let Some(left_out) = NOT_ACCEPTED.admit() {
                        tracing::warn!(%error, left_out, "control client not accepted");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It may have been removed already.
        let _ = fs::remove_file(&self.path);
    }
}

/// What is needed to answer requests.
struct Answering {
    facts: Facts,
    state: IpvsState,
    watcher: Arc<NetnsWatcher>,
    usage: Arc<MapUsage>,
}

impl Answering {
    async fn answer(&self, mut stream: UnixStream) -> io::Result<()> {
        let mut line = String::new();
        let mut reader = BufReader::new(tokio::io::AsyncReadExt::take(&mut stream, 256));
        timeout(REQUEST_TIMEOUT, reader.read_line(&mut line)).await??;
        // The socket's namespace is that of the client that made the connection.
        let ns = Namespace(netns::cookie_of_socket(stream.as_fd())?);
        let pid = stream.peer_cred()?.pid().unwrap_or(0);
        let request = Request::of(&line);
        let mut owner = Owner::Host;
        if let Some(Request::Setting(_, Some(_))) = &request {
            let namespace = netns::of_socket(stream.as_fd())?;
            self.watcher.watch(ns, namespace.as_fd())?;
            owner = netns::owner_of(namespace.as_fd())?;
        }
        let actor = Actor {
            pid,
            namespace: ns,
            owner,
        };
        let maps = || self.usage.read().unwrap_or_default();
        let answer = reply(request, actor, &self.facts, &self.state, &maps)?;
        stream.write_all(answer.as_bytes()).await?;
        stream.write_all(b"\n").await
    }
}
