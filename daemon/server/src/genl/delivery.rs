//! Sends replies to a client at the rate at which it reads them.
//!
//! Replies that fit into the client's receive buffer are sent immediately. The rest are sent by a
//! thread that blocks until there is room. If the client does not read for a while, a timer retries
//! instead: a client that never reads costs a few hundred bytes and delays no other client. If such
//! a client keeps sending requests, replies to it are eventually dropped, as the kernel does. A
//! client without `CAP_NET_ADMIN` gets no dumps, and its other replies are dropped if they do not
//! fit, so it costs nothing.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::errno::Errno;
use tokio::sync::Semaphore;

use super::{Client, dump::Dump};
use sockvs_ipvs::Namespace;

use crate::state::IpvsState;

/// How often to retry a client that has stopped reading.
const RETRY: Duration = Duration::from_millis(100);
/// How many threads may block on clients. Further clients are served by the timer.
const THREADS: usize = 32;
/// How many requests of one client may have queued replies. Replies to further requests are
/// dropped.
const MOST_WAITING: usize = 512;

/// Represents the requester while replies to its datagram are pending. It is dropped when the last
/// reply was delivered or abandoned.
pub trait Waiting: Send {
    /// Whether the replies are still to be delivered. Another process may have answered meanwhile.
    fn wants_replies(&self) -> bool {
        true
    }
}

impl Waiting for () {}

/// What all deliveries share.
pub(super) struct Shared {
    /// The tables that dumps are read from.
    pub(super) state: IpvsState,
    /// Replies that are queued for their clients.
    pub(super) queues: Queues,
}

/// Replies that are being sent to one client.
pub(super) struct Delivery {
    shared: Arc<Shared>,
    client: Client,
    waiting: VecDeque<Reply>,
    /// A datagram that was encoded but not sent yet.
    unsent: Option<Vec<u8>>,
    /// Dropped when the last reply was delivered or abandoned.
    requester: Box<dyn Waiting>,
}

/// A client's socket.
type Socket = (Namespace, u32);

/// The sockets with pending deliveries, each with its queue.
pub(super) struct Queues {
    by_socket: Mutex<HashMap<Socket, VecDeque<Delivery>>>,
    threads: Arc<Semaphore>,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            by_socket: Mutex::default(),
            threads: Arc::new(Semaphore::new(THREADS)),
        }
    }
}

impl Queues {
    /// Queues a delivery behind pending ones; returns it if there are none.
    fn enqueue(&self, delivery: Delivery) -> Option<Delivery> {
        match self.by_socket().entry(delivery.socket()) {
            Entry::Occupied(mut queue) => {
                if queue.get().len() < MOST_WAITING {
                    queue.get_mut().push_back(delivery);
                }
                None
            }
            Entry::Vacant(_) => Some(delivery),
        }
    }

    /// As [`enqueue`](Self::enqueue), but if there are none, the returned delivery becomes the
    /// pending one.
    fn begin(&self, delivery: Delivery) -> Option<Delivery> {
        let mut queues = self.by_socket();
        match queues.entry(delivery.socket()) {
            Entry::Occupied(mut queue) => {
                queue.get_mut().push_back(delivery);
                None
            }
            Entry::Vacant(slot) => {
                slot.insert(VecDeque::new());
                Some(delivery)
            }
        }
    }

    /// The next delivery. If there is none, the socket's queue is removed.
    fn next(&self, socket: Socket) -> Option<Delivery> {
        let mut queues = self.by_socket();
        let next = queues.get_mut(&socket)?.pop_front();
        if next.is_none() {
            queues.remove(&socket);
        }
        next
    }

    fn by_socket(&self) -> MutexGuard<'_, HashMap<Socket, VecDeque<Delivery>>> {
        self.by_socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reply.
pub(super) enum Reply {
    /// One datagram.
    Datagram(Vec<u8>),
    /// A dump. Its datagrams are encoded when they can be sent.
    Dump(Dump),
}

enum Progress {
    Finished,
    ClientIsFull,
}

impl Delivery {
    /// A delivery without replies.
    pub(super) fn new(shared: Arc<Shared>, client: Client, done: Box<dyn Waiting>) -> Self {
        Self {
            shared,
            client,
            waiting: VecDeque::new(),
            unsent: None,
            requester: done,
        }
    }

    /// Adds a reply.
    pub(super) fn push(&mut self, item: Reply) {
        self.waiting.push_back(item);
    }

    /// Sends what fits, and queues the rest.
    pub(super) fn start(self) {
        let shared = Arc::clone(&self.shared);
        let Some(mut delivery) = shared.queues.enqueue(self) else {
            return;
        };
        match delivery.flush(Wait::No) {
            Progress::Finished => {}
            Progress::ClientIsFull if !delivery.client.sender.net_admin => {}
            Progress::ClientIsFull => {
                if let Some(delivery) = shared.queues.begin(delivery) {
                    tokio::spawn(delivery.follow_up());
                }
            }
        }
    }

    fn socket(&self) -> Socket {
        (self.client.namespace.namespace(), self.client.sender.port)
    }

    /// Completes this delivery, and then those that were queued behind it.
    async fn follow_up(self) {
        let (shared, socket) = (Arc::clone(&self.shared), self.socket());
        let mut next = Some(self);
        while let Some(delivery) = next {
            delivery.finish().await;
            next = shared.queues.next(socket);
        }
    }

    async fn finish(mut self) {
        loop {
            if let Ok(place) = Arc::clone(&self.shared.queues.threads).try_acquire_owned() {
                let waited = tokio::task::spawn_blocking(move || {
                    let progress = self.flush(Wait::ForAWhile);
                    drop(place);
                    (self, progress)
                });
                match waited.await {
                    Ok((rest, Progress::ClientIsFull)) => self = rest,
                    Ok((_, Progress::Finished)) | Err(_) => return,
                }
            }
            loop {
                tokio::time::sleep(RETRY).await;
                let before = self.left();
                if self.client.is_gone() || matches!(self.flush(Wait::No), Progress::Finished) {
                    return;
                }
                if self.left() != before {
                    break;
                }
            }
        }
    }

    /// A value that changes whenever the delivery makes progress.
    fn left(&self) -> (usize, u64) {
        (self.waiting.len(), self.client.namespace.sent())
    }

    fn flush(&mut self, wait: Wait) -> Progress {
        while let Some(datagram) = self.next() {
            if !self.requester.wants_replies() {
                break;
            }
            match self
                .client
                .namespace
                .send(self.client.sender.port, &datagram, wait)
            {
                Ok(()) => {}
                Err(Errno::EAGAIN) => {
                    self.unsent = Some(datagram);
                    return Progress::ClientIsFull;
                }
                Err(errno) => {
                    let pid = self.client.sender.pid;
                    tracing::debug!(pid, %errno, "the client takes no reply");
                    break;
                }
            }
        }
        Progress::Finished
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(datagram) = self.unsent.take() {
            return Some(datagram);
        }
        loop {
            match self.waiting.pop_front()? {
                Reply::Datagram(datagram) => return Some(datagram),
                Reply::Dump(mut dump) => {
                    let datagram = dump.next(&self.shared.state.lock());
                    if let Some(datagram) = datagram {
                        self.waiting.push_front(Reply::Dump(dump));
                        return Some(datagram);
                    }
                }
            }
        }
    }
}

/// Whether to wait for a client whose receive buffer is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Return immediately.
    No,
    /// Wait until the time-out of the reply socket.
    ForAWhile,
}
