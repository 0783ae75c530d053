//! The requests between the supervisor and the daemon. Calls here only wait for a lock, except for
//! the daemon's answer ([`Words`]), and for a daemon that is being restarted ([`RetryQueue`]):
//! keepalived sends each change once, so a server that it removes meanwhile would otherwise stay
//! forever. If there never was a daemon, or it does not come back, nothing waits.
//!
//! A daemon that is silent for some seconds, even to a ping, counts as absent: pending requests are
//! abandoned, and the connection is closed, so that they are not executed later. Until it answers
//! another ping, it gets no requests.

mod conversation;
mod waker;

use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::Result;
use nix::errno::Errno;

use super::datagram::{self, Mark};
use super::job::Job;
use super::link::Descriptor;
use super::socket::ClientSocket;
use super::wire::Kind;
pub(super) use conversation::Word;
use conversation::{Client, Conversation, LONGEST, Outstanding};
use waker::Waker;

/// The most requests with pending replies, and the most bytes that waiting calls hold. Beyond that,
/// a request fails with ENOBUFS.
const MOST_OUTSTANDING: usize = 512;
const MOST_BYTES: usize = 16 << 20;
/// The most calls that wait for the daemon. There are more threads than this.
const MOST_WAITING: usize = 384;
/// The most messages of one substitute datagram.
const SUBSTITUTES_AT_ONCE: usize = 256;

/// How often to try connecting to an absent daemon.
const PAUSE: Duration = Duration::from_millis(50);
/// How often to check for silence.
const MEASURED: Duration = Duration::from_millis(500);

/// The shared state of the session.
pub(super) struct Session {
    state: Mutex<Conversation>,
    /// The bytes that waiting calls hold, and the number of waiting calls.
    held: AtomicUsize,
    waiting: AtomicUsize,
    waker: Waker,
}

impl Session {
    pub(super) fn new(daemon: PathBuf) -> Result<Self> {
        let own_network: OwnedFd = File::open("/proc/self/ns/net")
            .map_err(|_| Errno::EIO)?
            .into();
        Ok(Self {
            state: Mutex::new(Conversation::new(daemon, Arc::new(own_network))),
            held: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            waker: Waker::new()?,
        })
    }

    /// Sends netlink messages to the daemon; `None` if there is no daemon.
    pub(super) fn netlink(
        &self,
        job: &Job,
        messages: &[u8],
        socket: Arc<ClientSocket>,
        marks: Vec<Mark>,
    ) -> Result<Option<Words<'_>>> {
        let descriptor: Descriptor = Arc::<ClientSocket>::clone(&socket);
        let client = Some((socket, marks));
        self.ask(
            Kind::Netlink,
            job.tid,
            messages,
            job.weight,
            &descriptor,
            client,
        )
    }

    /// Forwards a call that the daemon answers as a whole; `None` likewise.
    pub(super) fn forward(
        &self,
        kind: Kind,
        tid: libc::pid_t,
        contents: &[u8],
        descriptor: &Descriptor,
    ) -> Result<Option<Words<'_>>> {
        self.ask(kind, tid, contents, contents.len(), descriptor, None)
    }

    fn ask(
        &self,
        kind: Kind,
        tid: libc::pid_t,
        contents: &[u8],
        weight: usize,
        descriptor: &Descriptor,
        client: Option<Client>,
    ) -> Result<Option<Words<'_>>> {
        let hold = Hold::of(self, weight)?;
        let (words, heard) = channel();
        let outstanding = Outstanding {
            answers: Some(words),
            client,
        };
        let mut state = self.state();
        if state.outstanding.len() >= MOST_OUTSTANDING {
            return Err(Errno::ENOBUFS);
        }
        let (asked, lost) = state.submit(kind, tid, contents, descriptor);
        if let Ok(Some(id)) = asked {
            if state.outstanding.is_empty() {
                state.heard = Instant::now();
            }
            state.outstanding.insert(id, outstanding);
        }
        self.leave(state, lost);
        Ok(asked?.map(|_| Words {
            session: self,
            words: heard,
            _hold: hold,
        }))
    }

    /// The queue for calls without a daemon.
    pub(super) fn retry_queue(&self) -> RetryQueue<'_> {
        RetryQueue(self)
    }

    /// The descriptor to poll, and whether there is unsent data.
    pub(super) fn descriptor(&self) -> (Option<Arc<OwnedFd>>, bool) {
        let mut state = self.state();
        state.polled = state.to_listen_to();
        state.polled.clone()
    }

    /// Readable when the descriptor to poll has changed.
    pub(super) fn changed(&self) -> BorrowedFd<'_> {
        self.waker.descriptor()
    }

    /// The time-out for polling.
    pub(super) fn pause(&self) -> Option<Duration> {
        let state = self.state();
        (!state.outstanding.is_empty()).then_some(MEASURED)
    }

    /// Reads the daemon's answers, sends queued requests, and checks for silence.
    pub(super) fn go_on(&self, heard: bool) {
        self.waker.reset();
        if heard {
            let mut state = self.state();
            let lost = state.hear();
            self.leave(state, lost);
        }
        self.measure();
    }

    fn measure(&self) {
        let mut state = self.state();
        let lost = state.measure();
        self.leave(state, lost);
    }

    /// Unlocks the state, and does the rest without the lock.
    fn leave(&self, state: MutexGuard<'_, Conversation>, lost: Vec<Client>) {
        let (polled, sends) = &state.polled;
        let (to_listen_to, to_send) = state.to_listen_to();
        let address = |link: Option<&Arc<OwnedFd>>| link.map(Arc::as_ptr);
        let changed =
            address(polled.as_ref()) != address(to_listen_to.as_ref()) || (to_send && !sends);
        drop(state);
        if changed {
            self.waker.wake();
        }
        refuse_all(lost);
    }

    fn state(&self) -> MutexGuard<'_, Conversation> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The daemon's answers to one request.
pub(super) struct Words<'a> {
    session: &'a Session,
    words: Receiver<Word>,
    _hold: Hold<'a>,
}

impl Words<'_> {
    /// The next answer. It waits no longer than a daemon may be silent.
    pub(super) fn next(&self) -> Word {
        loop {
            match self.words.recv_timeout(MEASURED) {
                Ok(word) => return word,
                Err(RecvTimeoutError::Disconnected) => return Word::Lost,
                Err(RecvTimeoutError::Timeout) => self.session.measure(),
            }
        }
    }
}

/// Waits for the next daemon.
pub(super) struct RetryQueue<'a>(&'a Session);

impl RetryQueue<'_> {
    /// Waits for a moment; false if there is no daemon to wait for.
    pub(super) fn wait(&mut self) -> bool {
        let mut state = self.0.state();
        if state.silent || !state.served {
            return false;
        }
        let until = *state
            .away_until
            .get_or_insert_with(|| Instant::now() + LONGEST);
        if Instant::now() >= until {
            state.served = false;
            state.away_until = None;
            return false;
        }
        drop(state);
        thread::sleep(PAUSE);
        true
    }
}

/// The share of a waiting call in the limits of all.
struct Hold<'a>(&'a Session, usize);

impl<'a> Hold<'a> {
    fn of(session: &'a Session, weight: usize) -> Result<Self> {
        let bytes = session.held.fetch_add(weight, Ordering::Relaxed) + weight;
        let waiting = session.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        let hold = Self(session, weight);
        if bytes > MOST_BYTES || waiting > MOST_WAITING {
            return Err(Errno::ENOBUFS);
        }
        Ok(hold)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(self.1, Ordering::Relaxed);
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes the kernel refuse requests, with the error going to the client.
pub(super) fn refuse(socket: &ClientSocket, marks: &[Mark]) -> Result<()> {
    marks
        .chunks(SUBSTITUTES_AT_ONCE)
        .try_for_each(|marks| socket.send(&datagram::substitutes(marks)))
}

fn refuse_all(lost: Vec<Client>) {
    for (socket, marks) in lost {
        let _ = refuse(&socket, datagram::longest_lasting(&marks));
    }
}
