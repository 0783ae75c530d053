//! What was said to the daemon, and what it has still to answer. The whole of it is behind the
//! session's lock; nothing here waits.

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

/// The most answers that are read before anything else is looked at.
const ANSWERS_AT_ONCE: usize = 64;
/// How long a daemon may be away, or silent. A service manager starts it again in less than a
/// second.
pub(super) const LONGEST: Duration = Duration::from_secs(5);
/// How long it may be silent before it is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(2);
/// What it is asked then. To be told changes nothing.
const PING: &[u8] = b"/proc/sys/net/ipv4/vs/conn_reuse_mode";

/// A client whose replies are still to come, and how to have its requests refused.
pub(super) type Client = (Arc<ClientSocket>, Vec<Mark>);

/// What the daemon says to a request.
pub(in super::super) enum Word {
    Taken,
    Piece(Vec<u8>),
    Done,
    Refused(Errno),
    /// Nothing any more: it has gone.
    Lost,
}

/// A request that the daemon has.
pub(super) struct Outstanding {
    /// The call that waits; none once the request was taken.
    pub(super) words: Option<Sender<Word>>,
    pub(super) client: Option<Client>,
}

/// The conversation.
pub(super) struct Conversation {
    link: Link,
    pub(super) outstanding: BTreeMap<u64, Outstanding>,
    last_id: u64,
    /// Whether there was a daemon, and it is not given up.
    pub(super) served: bool,
    /// Until when one that is away is waited for.
    pub(super) away_until: Option<Instant>,
    /// When it said something, or nothing was asked of it.
    pub(super) heard: Instant,
    /// A question of our own.
    ping: Option<u64>,
    /// It counts as gone until it answers that.
    pub(super) silent: bool,
    /// Our own network namespace, which the question is about.
    own_network: Descriptor,
    /// What is listened to at the moment, and whether it is waited for that something can be sent.
    pub(super) listened_to: (Option<Arc<OwnedFd>>, bool),
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
            listened_to: (None, false),
        }
    }

    /// Sends a request to the daemon; none means that no daemon is there. A connection that turns
    /// out to be a dead daemon's is replaced once. Gives also those whose replies are lost.
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

    /// The connection to listen to, and whether something waits to be sent.
    pub(super) fn to_listen_to(&self) -> (Option<Arc<OwnedFd>>, bool) {
        (self.link.descriptor(), self.link.wants_to_send())
    }

    /// Reads what the daemon says, and sends it what had to wait. Gives those whose replies are
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

    /// Answers to what was given up are none to anything that is outstanding.
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
        if let Some(words) = &outstanding.words {
            let _ = words.send(word);
        }
        if netlink {
            outstanding.words = None;
        }
        if matches!(answer.state, State::Done | State::Refused(_)) {
            self.outstanding.remove(&answer.id);
        }
    }

    /// The daemon has gone, and with it the replies that clients wait for: the kernel is to refuse
    /// their requests in its place. Calls that wait hear of it by themselves.
    fn lose(&mut self) -> Vec<Client> {
        self.link.close();
        self.ping = None;
        self.silent = false;
        let outstanding = std::mem::take(&mut self.outstanding).into_values();
        let taken = outstanding.filter(|request| request.words.is_none());
        taken.filter_map(|request| request.client).collect()
    }

    /// Looks how long the daemon has been silent while something was asked of it.
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
