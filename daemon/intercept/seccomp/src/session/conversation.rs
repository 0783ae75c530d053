//! The state of the connection to the daemon: pending requests and the daemon's silence. All of it
//! is behind the session's lock; nothing here blocks.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::Result;
use nix::errno::Errno;

use crate::datagram::Mark;
use crate::link::{Descriptor, Failure, Link};
use crate::process;
use crate::socket::ClientSocket;
use crate::wire::{Answer, Kind, Request, State};

/// The most answers to read in a row.
const ANSWERS_AT_ONCE: usize = 64;
/// How long a daemon may be absent or silent. A service manager restarts it in less than a second.
pub(super) const LONGEST: Duration = Duration::from_secs(5);
/// How long it may be silent before a ping is sent.
const SILENCE: Duration = Duration::from_secs(2);
/// The ping: a request that changes nothing.
const PING: &[u8] = b"/proc/sys/net/ipv4/vs/conn_reuse_mode";

/// A client with pending replies, and the marks for having its requests refused.
pub(super) type Client = (Arc<ClientSocket>, Vec<Mark>);

/// An answer of the daemon to a request.
pub(in super::super) enum Word {
    Taken,
    Piece(Vec<u8>),
    Done,
    Refused(Errno),
    /// No answer will come: the daemon has ended.
    Lost,
}

/// A request that the daemon has received.
pub(super) struct Outstanding {
    /// The waiting call; `None` once the request was taken.
    pub(super) answers: Option<Sender<Word>>,
    pub(super) client: Option<Client>,
}

/// The connection with its pending requests.
pub(super) struct Conversation {
    link: Link,
    pub(super) outstanding: BTreeMap<u64, Outstanding>,
    last_id: u64,
    /// Whether there was a daemon, and it is still waited for.
    pub(super) served: bool,
    /// Until when an absent daemon is waited for.
    pub(super) away_until: Option<Instant>,
    /// When it last answered, or nothing was pending.
    pub(super) heard: Instant,
    /// The id of our pending ping.
    ping: Option<u64>,
    /// It counts as absent until it answers the ping.
    pub(super) silent: bool,
    /// Our own network namespace, for the ping.
    own_network: Descriptor,
    /// The descriptor that is currently polled, and whether it is polled for writing, too.
    pub(super) polled: (Option<Arc<OwnedFd>>, bool),
}

impl Conversation {
    pub(super) fn new(daemon: PathBuf, own_network: Descriptor) -> Self {
        Self {
            link: Link::new(daemon),
            outstanding: BTreeMap::new(),
            last_id: 0,
            served: false,
            away_until: None,
            heard: Instant::now(),
            ping: None,
            silent: false,
            own_network,
            polled: (None, false),
        }
    }

    /// Sends a request to the daemon; `None` if there is no daemon. A connection to a dead daemon
    /// is replaced once. Also returns the clients whose replies are lost.
    pub(super) fn submit(
        &mut self,
        kind: Kind,
        tid: libc::pid_t,
        contents: &[u8],
        descriptor: &Descriptor,
    ) -> (Result<Option<u64>>, Vec<Client>) {
        let mut lost = Vec::new();
        if self.silent {
            return (Ok(None), lost);
        }
        self.last_id += 1;
        let id = self.last_id;
        for _ in 0..2 {
            if !self.link.open() {
                break;
            }
            match self
                .link
                .submit(Request { id, tid, kind }, contents, descriptor)
            {
                Ok(()) => {
                    self.served = true;
                    self.away_until = None;
                    return (Ok(Some(id)), lost);
                }
                Err(Failure::Refused(errno)) => return (Err(errno), lost),
                Err(Failure::Lost) => lost.extend(self.lose()),
            }
        }
        (Ok(None), lost)
    }

    /// The descriptor to poll, and whether there is unsent data.
    pub(super) fn to_listen_to(&self) -> (Option<Arc<OwnedFd>>, bool) {
        (self.link.descriptor(), self.link.wants_to_send())
    }

    /// Reads the daemon's answers, and sends queued requests. Returns the clients whose replies are
    /// lost.
    pub(super) fn hear(&mut self) -> Vec<Client> {
        for _ in 0..ANSWERS_AT_ONCE {
            match self.link.receive() {
                Ok(Some((answer, contents))) => self.apply(answer, contents),
                Ok(None) => break,
                Err(_) => return self.lose(),
            }
        }
        if self.link.wants_to_send() && self.link.flush().is_err() {
            return self.lose();
        }
        Vec::new()
    }

    /// Passes an answer to the request that it is for. Answers to abandoned requests are ignored.
    fn apply(&mut self, answer: Answer, contents: Vec<u8>) {
        self.heard = Instant::now();
        self.silent = false;
        self.ping.take_if(|ping| *ping == answer.id);
        let Some(outstanding) = self.outstanding.get_mut(&answer.id) else {
            return;
        };
        let netlink = outstanding.client.is_some();
        let word = match answer.state {
            State::Taken => Word::Taken,
            State::Piece => Word::Piece(contents),
            State::Done => Word::Done,
            State::Refused(errno) => Word::Refused(Errno::from_raw(errno)),
        };
        if let Some(answers) = &outstanding.answers {
            let _ = answers.send(word);
        }
        if netlink {
            outstanding.answers = None;
        }
        if matches!(answer.state, State::Done | State::Refused(_)) {
            self.outstanding.remove(&answer.id);
        }
    }

    /// Handles the end of the daemon, with the loss of replies that clients wait for: the kernel is
    /// to refuse their requests instead. Waiting calls notice by themselves.
    fn lose(&mut self) -> Vec<Client> {
        self.link.close();
        self.ping = None;
        self.silent = false;
        let outstanding = std::mem::take(&mut self.outstanding).into_values();
        let taken = outstanding.filter(|request| request.answers.is_none());
        taken.filter_map(|request| request.client).collect()
    }

    /// Checks how long the daemon has been silent with pending requests.
    pub(super) fn measure(&mut self) -> Vec<Client> {
        if self.outstanding.is_empty() {
            return Vec::new();
        }
        let silence = self.heard.elapsed();
        if silence >= LONGEST {
            let lost = self.lose();
            self.silent = self.link.open() && self.ask_for_itself();
            return lost;
        }
        if silence >= SILENCE && self.ping.is_none() && !self.ask_for_itself() {
            return self.lose();
        }
        Vec::new()
    }

    fn ask_for_itself(&mut self) -> bool {
        self.last_id += 1;
        let request = Request {
            id: self.last_id,
            tid: process::own_pid(),
            kind: Kind::File,
        };
        self.ping = Some(self.last_id);
        self.link.submit(request, PING, &self.own_network).is_ok()
    }
}
