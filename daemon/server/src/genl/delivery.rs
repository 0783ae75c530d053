//! Bringing replies to a client, no faster than it reads them.
//!
//! What fits into the client's receive buffer is sent at once. For the rest a thread waits, and if
//! the client does not read for a while, a timer asks now and then: a client that never reads costs
//! a few hundred bytes, and no other client waits for it. One that goes on asking meanwhile loses
//! replies in the end, as one of the kernel's does. One that may not administer anything gets no
//! list, and for what else it is told nobody waits: it costs nothing.

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

/// How often a client that has stopped reading is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// How many threads may wait for clients. For the others there is the timer.
const THREADS: usize = 32;
/// How many requests of a client's may have replies waiting. Those to further ones are lost.
const MOST_WAITING: usize = 512;

/// What waits for the replies to a datagram. It is dropped when the last one is delivered or given
/// up.
pub trait Waiting: Send {
    /// Whether they are still to be delivered. Somebody else may have answered meanwhile.
    fn wants_replies(&self) -> bool {
        true
    }
}

impl Waiting for () {}

/// What the replies on their way share.
pub(super) struct Shared {
    /// The tables, which lists are made from.
    pub(super) state: IpvsState,
    /// Replies that wait for their client.
    pub(super) queues: Queues,
}

/// Replies on their way to one client.
pub(super) struct Delivery {
    shared: Arc<Shared>,
    client: Client,
    waiting: VecDeque<Reply>,
    /// A datagram that was made but not taken yet.
    unsent: Option<Vec<u8>>,
    /// Told, by being dropped, when the last reply is delivered or given up.
    waiting_for_it: Box<dyn Waiting>,
}

/// A client's socket.
type Socket = (Namespace, u32);

/// The sockets that somebody waits for, each with the deliveries that come next.
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
    /// Puts a delivery behind the ones that wait; gives it back if none does.
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

    /// The same, only that one that is given back is the one that others line up behind.
    fn begin(&self, delivery: Delivery) -> Option<Delivery> {
        let mut queues = self.by_socket();
        match queues.entry(delivery.socket()) {
            Entry::Occupied(mut queue) => {
                queue.get_mut().push_back(delivery);
                None
            }
            Entry::Vacant(nobody) => {
                nobody.insert(VecDeque::new());
                Some(delivery)
            }
        }
    }

    /// The next one. If there is none, nobody waits for the socket any more.
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
    /// A list, whose datagrams are made when they can be sent.
    Dump(Dump),
}

enum Progress {
    Finished,
    ClientIsFull,
}

impl Delivery {
    /// No replies yet.
    pub(super) fn new(shared: Arc<Shared>, client: Client, done: Box<dyn Waiting>) -> Self {
        Self {
            shared,
            client,
            waiting: VecDeque::new(),
            unsent: None,
            waiting_for_it: done,
        }
    }

    /// One more reply.
    pub(super) fn push(&mut self, item: Reply) {
        self.waiting.push_back(item);
    }

    /// Sends what fits, and sees to it that the rest follows.
    pub(super) fn start(self) {
        let shared = Arc::clone(&self.shared);
        let Some(mut delivery) = shared.queues.enqueue(self) else {
            return;
        };
        match delivery.flush(Wait::No) {
            Progress::Finished => {}
            Progress::ClientIsFull if !delivery.client.net_admin => {}
            Progress::ClientIsFull => {
                if let Some(delivery) = shared.queues.begin(delivery) {
                    tokio::spawn(delivery.follow_up());
                }
            }
        }
    }

    fn socket(&self) -> Socket {
        (self.client.namespace.namespace(), self.client.port)
    }

    /// Delivers, and then all that has lined up behind.
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

    /// Tells one state of the delivery from a later one.
    fn left(&self) -> (usize, u64) {
        (self.waiting.len(), self.client.namespace.sent())
    }

    fn flush(&mut self, wait: Wait) -> Progress {
        while let Some(datagram) = self.next() {
            if !self.waiting_for_it.wants_replies() {
                break;
            }
            match self
                .client
                .namespace
                .send(self.client.port, &datagram, wait)
            {
                Ok(()) => {}
                Err(Errno::EAGAIN) => {
                    self.unsent = Some(datagram);
                    return Progress::ClientIsFull;
                }
                Err(errno) => {
                    tracing::debug!(pid = self.client.pid, %errno, "the client takes no reply");
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

/// Whether to wait for a client that has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    No,
    /// As long as the reply socket's time-out says.
    ForAWhile,
}
