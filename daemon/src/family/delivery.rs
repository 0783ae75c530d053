//! Bringing replies to a client, no faster than it reads them.
//!
//! What fits into the client's receive buffer is sent at once. For the rest a thread waits, and if
//! the client does not read for a while, a timer asks now and then: a client that never reads costs
//! a few hundred bytes, and no other client waits for it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use nix::errno::Errno;

use super::{Client, dump::Dump, server::Shared};

/// How often a client that has stopped reading is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Replies on their way to one client.
pub(super) struct Delivery {
    shared: Arc<Shared>,
    client: Client,
    waiting: VecDeque<Item>,
    /// A datagram that was made but not taken yet.
    unsent: Option<Vec<u8>>,
    /// Told, by being dropped, when the last reply is delivered or given up.
    _done: Box<dyn Send>,
}

/// A reply.
pub(super) enum Item {
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
    pub(super) fn new(shared: Arc<Shared>, client: Client, done: Box<dyn Send>) -> Self {
        Self {
            shared,
            client,
            waiting: VecDeque::new(),
            unsent: None,
            _done: done,
        }
    }

    /// One more reply.
    pub(super) fn push(&mut self, item: Item) {
        self.waiting.push_back(item);
    }

    /// Sends what fits, and sees to it that the rest follows.
    pub(super) fn start(mut self) {
        match self.pump(Wait::No) {
            Progress::Finished => {}
            Progress::ClientIsFull => {
                tokio::spawn(self.follow_up());
            }
        }
    }

    async fn follow_up(mut self) {
        loop {
            let waited = tokio::task::spawn_blocking(move || {
                let progress = self.pump(Wait::ForAWhile);
                (self, progress)
            });
            match waited.await {
                Ok((rest, Progress::ClientIsFull)) => self = rest,
                Ok((_, Progress::Finished)) | Err(_) => return,
            }
            loop {
                tokio::time::sleep(RETRY).await;
                let before = self.left();
                if self.client.is_gone() || matches!(self.pump(Wait::No), Progress::Finished) {
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

    fn pump(&mut self, wait: Wait) -> Progress {
        while let Some(datagram) = self.next() {
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
                Item::Datagram(datagram) => return Some(datagram),
                Item::Dump(mut dump) => {
                    let datagram = dump.next(&self.shared.table());
                    if let Some(datagram) = datagram {
                        self.waiting.push_front(Item::Dump(dump));
                        return Some(datagram);
                    }
                }
            }
        }
    }
}

/// Whether to wait for a client that has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Not at all.
    No,
    /// As long as the reply socket's time-out says.
    ForAWhile,
}
