//! What is under way between the supervisor and the daemon. No more than a lock is waited for here,
//! except for the daemon's word ([`Words`]), and for a daemon that is being started again
//! ([`Patience`]): keepalived says each thing once, so that a server that it removes meanwhile would
//! stay for good. Where no daemon ever was, and where none comes back, there is nothing to wait for.
//!
//! A daemon that says nothing for some seconds, not even to a question of our own, counts as gone:
//! what was asked is given up, and the connection with it, so that it is not carried out later. Until
//! it answers another question of our own, it is not asked anything else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::Result;
use nix::errno::Errno;

use super::datagram::{self, Mark};
use super::job::Job;
use super::link::{Failure, Link};
use super::process;
use super::socket::ClientSocket;
use super::wire::{Answer, Kind, Request, State};

/// The most requests whose last reply is still to come, and the most bytes that waiting calls hold.
/// Beyond, a request fails with ENOBUFS.
const MOST_OUTSTANDING: usize = 512;
const MOST_BYTES: usize = 16 << 20;
/// The most calls that wait for the daemon. There are more threads than that.
const MOST_WAITING: usize = 384;
/// The most answers that are read before anything else is looked at.
const ANSWERS_AT_ONCE: usize = 64;
/// The most messages of one substitute datagram.
const SUBSTITUTES_AT_ONCE: usize = 256;

/// How long a daemon may be away, or silent. A service manager starts it again in less than a second.
const LONGEST: Duration = Duration::from_secs(5);
/// How often a daemon that is away is looked for.
const PAUSE: Duration = Duration::from_millis(50);
/// How long it may be silent before it is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(2);
/// How often the silence is measured.
const MEASURED: Duration = Duration::from_millis(500);
/// What it is asked then. To be told changes nothing.
const PING: &[u8] = b"/proc/sys/net/ipv4/vs/conn_reuse_mode";

/// What goes to the daemon with a request.
pub(super) type Descriptor = Arc<dyn AsFd + Send + Sync>;
/// A client whose replies are still to come, and how to have its requests refused.
type Client = (Arc<ClientSocket>, Vec<Mark>);

/// What the daemon says to a request.
pub(super) enum Word {
    Taken,
    Piece(Vec<u8>),
    Done,
    Refused(Errno),
    /// Nothing any more: it has gone.
    Lost,
}

/// A request that the daemon has.
struct Outstanding {
    /// The call that waits; none once the request was taken.
    words: Option<Sender<Word>>,
    client: Option<Client>,
}

/// The conversation.
pub(super) struct Session {
    state: Mutex<Conversation>,
    /// Bytes that waiting calls hold, and how many calls wait.
    held: AtomicUsize,
    waiting: AtomicUsize,
    bell: Bell,
}

struct Conversation {
    link: Link,
    outstanding: BTreeMap<u64, Outstanding>,
    last_id: u64,
    /// Whether there was a daemon, and it is not given up.
    served: bool,
    /// Until when one that is away is waited for.
    away_until: Option<Instant>,
    /// When it said something, or nothing was asked of it.
    heard: Instant,
    /// A question of our own.
    ping: Option<u64>,
    /// It counts as gone until it answers that.
    silent: bool,
    /// Our own network namespace, which the question is about.
    own_network: Descriptor,
    /// What is listened to at the moment, and whether it is waited for that something can be sent.
    listened_to: (Option<Arc<OwnedFd>>, bool),
}

impl Session {
    pub(super) fn new(daemon: PathBuf) -> Result<Self> {
        let own_network: OwnedFd = File::open("/proc/self/ns/net")
            .map_err(|_| Errno::EIO)?
            .into();
        Ok(Self {
            state: Mutex::new(Conversation {
                link: Link::new(daemon),
                outstanding: BTreeMap::new(),
                last_id: 0,
                served: false,
                away_until: None,
                heard: Instant::now(),
                ping: None,
                silent: false,
                own_network: Arc::new(own_network),
                listened_to: (None, false),
            }),
            held: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            bell: Bell::new()?,
        })
    }

    /// Hands netlink messages to the daemon; none means that no daemon is there.
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

    /// Hands over a call that the daemon answers as a whole; likewise.
    pub(super) fn question(
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
            words: Some(words),
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

    /// For calls that find no daemon.
    pub(super) fn patience(&self) -> Patience<'_> {
        Patience(self)
    }

    /// The connection to listen to, and whether there is something to be sent.
    pub(super) fn descriptor(&self) -> (Option<Arc<OwnedFd>>, bool) {
        let mut state = self.state();
        state.listened_to = state.to_listen_to();
        state.listened_to.clone()
    }

    /// Can be read when the connection is another one.
    pub(super) fn changed(&self) -> BorrowedFd<'_> {
        self.bell.reader.as_fd()
    }

    /// When to go on at the latest.
    pub(super) fn pause(&self) -> Option<Duration> {
        let state = self.state();
        (!state.outstanding.is_empty()).then_some(MEASURED)
    }

    /// Reads what the daemon says, sends it what had to wait, and measures its silence.
    pub(super) fn go_on(&self, heard: bool) {
        self.bell.silence();
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

    /// Lets others have the conversation, and does what is to be done without it.
    fn leave(&self, state: MutexGuard<'_, Conversation>, lost: Vec<Client>) {
        let (listened_to, sends) = &state.listened_to;
        let (to_listen_to, to_send) = state.to_listen_to();
        let address = |link: Option<&Arc<OwnedFd>>| link.map(Arc::as_ptr);
        let changed =
            address(listened_to.as_ref()) != address(to_listen_to.as_ref()) || (to_send && !sends);
        drop(state);
        if changed {
            self.bell.ring();
        }
        refuse_all(lost);
    }

    fn state(&self) -> MutexGuard<'_, Conversation> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conversation {
    /// Sends a request to the daemon; none means that no daemon is there. A connection that turns
    /// out to be a dead daemon's is replaced once. Gives also those whose replies are lost.
    fn submit(
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

    fn to_listen_to(&self) -> (Option<Arc<OwnedFd>>, bool) {
        (self.link.descriptor(), self.link.wants_to_send())
    }

    fn hear(&mut self) -> Vec<Client> {
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
    fn measure(&mut self) -> Vec<Client> {
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

/// What the daemon says to one request.
pub(super) struct Words<'a> {
    session: &'a Session,
    words: Receiver<Word>,
    _hold: Hold<'a>,
}

impl Words<'_> {
    /// The next word. It does not take longer than a daemon may be silent.
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

/// A wait for the next daemon.
pub(super) struct Patience<'a>(&'a Session);

impl Patience<'_> {
    /// Waits for a moment; no, if there is nothing to wait for.
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

/// What a waiting call takes of what all of them may have.
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

/// Wakes the thread that listens to the daemon.
struct Bell {
    reader: PipeReader,
    writer: PipeWriter,
    rung: AtomicBool,
}

impl Bell {
    fn new() -> Result<Self> {
        let (reader, writer) = pipe().map_err(|_| Errno::EMFILE)?;
        let rung = AtomicBool::new(false);
        Ok(Self {
            reader,
            writer,
            rung,
        })
    }

    fn ring(&self) {
        // Once is enough, and there is always room for that.
        if !self.rung.swap(true, Ordering::AcqRel) {
            let _ = (&self.writer).write(&[0]);
        }
    }

    /// Makes ready for the next time. To be called when it was heard.
    fn silence(&self) {
        if self.rung.swap(false, Ordering::AcqRel) {
            let _ = (&self.reader).read(&mut [0]);
        }
    }
}

/// Has the kernel refuse requests, with its answer going to the client.
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
