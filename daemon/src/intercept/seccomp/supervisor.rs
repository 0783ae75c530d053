//! The supervisor's loop: one process for all calls of a command and its children.
//!
//! Its death would make every trapped call fail with ENOSYS, so nothing that goes wrong with one
//! call ends it; what it cannot understand it lets through. It waits for its listener and for the
//! daemon only, never for a client, and what it holds is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::call;
use super::datagram::{self, Mark};
use super::job::{Job, Step};
use super::link::{Failure, Link};
use super::notification::{Notification, Notifier, Verdict};
use super::patience::{Patience, Waiting};
use super::process;
use super::question::{self, Question};
use super::socket::ClientSocket;
use super::target::Target;
use super::wire::{Answer, Kind, Request, State};

/// The most requests whose last reply is still to come, and the most bytes that waiting calls hold.
/// Beyond, a request fails with ENOBUFS.
const MOST_OUTSTANDING: usize = 512;
const MOST_BYTES: usize = 16 << 20;
/// The most answers that are read before calls are looked at again.
const ANSWERS_AT_ONCE: usize = 64;
/// The most messages of one substitute datagram.
const SUBSTITUTES_AT_ONCE: usize = 256;

/// A request that the daemon has.
enum Outstanding {
    Netlink {
        /// The call that waits; none once the request was taken.
        job: Option<Job>,
        socket: Rc<ClientSocket>,
        marks: Vec<Mark>,
    },
    Question(Question),
}

impl Outstanding {
    /// Bytes that a waiting call holds.
    fn weight(&self) -> usize {
        match self {
            Self::Netlink { job, .. } => job.as_ref().map_or(0, |job| job.weight),
            Self::Question(question) => question.weight(),
        }
    }
}

/// What becomes of a call that is not decided at once.
enum Work {
    Job(Job),
    Question(Question),
}

/// The loop's state.
struct Supervisor {
    notifier: Notifier,
    link: Link,
    outstanding: BTreeMap<u64, Outstanding>,
    /// Calls that can go on.
    ready: VecDeque<Job>,
    patience: Patience,
    last_id: u64,
}

/// Serves a filter's listener until nobody is left under the filter.
pub(super) fn run(listener: OwnedFd, daemon: PathBuf) {
    let mut supervisor = Supervisor {
        notifier: Notifier::new(listener),
        link: Link::new(daemon),
        outstanding: BTreeMap::new(),
        ready: VecDeque::new(),
        patience: Patience::default(),
        last_id: 0,
    };
    while let Some(events) = supervisor.wait() {
        if events.link {
            supervisor.hear_daemon();
        }
        if events.call
            && let Ok(notification) = supervisor.notifier.receive()
        {
            supervisor.look_at(&notification);
        }
        supervisor.look_for_daemon();
        while let Some(job) = supervisor.ready.pop_front() {
            supervisor.advance(job);
        }
    }
}

/// What there is to do.
struct Events {
    call: bool,
    link: bool,
}

impl Supervisor {
    /// Waits; `None` once no call can come any more.
    fn wait(&self) -> Option<Events> {
        let mut interest = PollFlags::POLLIN;
        if self.link.wants_to_send() {
            interest |= PollFlags::POLLOUT;
        }
        let listener = PollFd::new(self.notifier.as_fd(), PollFlags::POLLIN);
        let link = self
            .link
            .descriptor()
            .map(|link| PollFd::new(link, interest));
        let mut descriptors: Vec<_> = [listener].into_iter().chain(link).collect();
        let pause = self.patience.pause();
        let pause = pause.map_or(Ok(PollTimeout::NONE), PollTimeout::try_from);
        if poll(&mut descriptors, pause.unwrap_or(PollTimeout::ZERO)).is_err() {
            // An interruption, or no memory: neither is a reason to leave, nor to spin.
            std::thread::sleep(Duration::from_millis(5));
            return Some(Events {
                call: false,
                link: false,
            });
        }
        let seen = |at: usize| {
            descriptors
                .get(at)
                .and_then(PollFd::revents)
                .unwrap_or(PollFlags::empty())
        };
        let call = seen(0).contains(PollFlags::POLLIN);
        let over =
            seen(0).intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL);
        (call || !over).then_some(Events {
            call,
            link: !seen(1).is_empty(),
        })
    }

    /// Decides about a call. Should there be a mistake in here, the call goes through.
    fn look_at(&mut self, notification: &Notification) {
        let work = catch_unwind(AssertUnwindSafe(|| {
            if question::is_one(notification) {
                question::read(notification)
                    .filter(|_| self.notifier.still_waits(notification.id))
                    .map(Work::Question)
                    .ok_or(Verdict::Continue)
            } else {
                self.recognise(notification).map(Work::Job)
            }
        }));
        match work {
            Ok(Ok(Work::Job(job))) => self.ready.push_back(job),
            Ok(Ok(Work::Question(question))) => self.pass_on(question),
            Ok(Err(verdict)) => self.notifier.respond(notification.id, verdict),
            Err(_) => self.notifier.respond(notification.id, Verdict::Continue),
        }
    }

    /// The work that a call means for us, or what becomes of it at once.
    fn recognise(&self, notification: &Notification) -> Result<Job, Verdict> {
        let through = || Verdict::Continue;
        if call::is_too_short(notification) {
            return Err(Verdict::Continue);
        }
        let target = Target::new(notification.tid);
        let [fd, ..] = notification.arguments;
        let fd = target.descriptor(fd).map_err(|_| Verdict::Continue)?;
        let socket = ClientSocket::recognise(fd).ok_or_else(through)?;
        let call = call::read(notification, &target, &socket).ok_or_else(through)?;
        if !call.has_ours() {
            return Err(Verdict::Continue);
        }
        let stands_like_us =
            !call.has_foreign() || process::has_our_standing(notification.tid) == Ok(true);
        // From here on all of the above is known to be about the caller.
        if !self.notifier.still_waits(notification.id) || !stands_like_us {
            return Err(Verdict::Continue);
        }
        if call
            .datagrams
            .iter()
            .any(|datagram| datagram::is_probe(&datagram.bytes))
        {
            return Err(Verdict::Fails(Errno::EALREADY));
        }
        socket
            .make_reachable(notification.tid)
            .map_err(Verdict::Fails)?;
        Ok(Job::new(
            notification.id,
            notification.tid,
            Rc::new(socket),
            &call,
        ))
    }

    /// Hands a call to the daemon as it is.
    fn pass_on(&mut self, question: Question) {
        let (contents, descriptor) = (question.contents(), question.descriptor());
        let (kind, tid, weight) = (question.kind(), question.tid(), question.weight());
        match self.submit(kind, tid, weight, &contents, &descriptor) {
            Ok(Some(id)) => {
                self.outstanding.insert(id, Outstanding::Question(question));
            }
            Ok(None) => question.fail_without_daemon(&self.notifier),
            Err(errno) => question.fail(&self.notifier, errno),
        }
    }

    /// Works on a call until it is over or has to wait for the daemon.
    fn advance(&mut self, mut job: Job) {
        while let Some(step) = job.next_step() {
            let result = match step {
                Step::Complete { length, length_at } => {
                    self.note_length(&job, length, length_at);
                    job.count(length);
                    Ok(())
                }
                Step::Foreign(bytes) => job.socket.send(&bytes),
                Step::Ours(messages) => return self.ask(Waiting { job, messages }),
            };
            if let Err(errno) = result {
                self.notifier.respond(job.notification, job.failure(errno));
                return;
            }
        }
        self.notifier.respond(job.notification, job.success());
    }

    /// Hands messages to the daemon; those of one that is away wait for it, or the kernel refuses them.
    fn ask(&mut self, call: Waiting) {
        let Waiting { job, messages } = &call;
        let socket: Rc<dyn AsFd> = Rc::<ClientSocket>::clone(&job.socket);
        match self.submit(Kind::Netlink, job.tid, job.weight, messages, &socket) {
            Ok(Some(id)) => {
                let outstanding = Outstanding::Netlink {
                    socket: Rc::clone(&job.socket),
                    marks: datagram::marks(messages),
                    job: Some(call.job),
                };
                self.outstanding.insert(id, outstanding);
            }
            Ok(None) => {
                if let Err(call) = self.patience.wait(call) {
                    self.go_on_without_daemon(call);
                }
            }
            Err(errno) => self.notifier.respond(job.notification, job.failure(errno)),
        }
    }

    fn go_on_without_daemon(&mut self, Waiting { job, messages }: Waiting) {
        match refuse(&job.socket, &datagram::marks(&messages)) {
            Ok(()) => self.ready.push_back(job),
            Err(errno) => self.notifier.respond(job.notification, job.failure(errno)),
        }
    }

    /// Lets calls go on that wait for a daemon, once there is one or it has been away for too long.
    fn look_for_daemon(&mut self) {
        if self.patience.pause().is_none() {
            return;
        }
        if self.link.open() {
            for call in self.patience.take() {
                // Whoever was killed meanwhile wants nothing any more.
                if self.notifier.still_waits(call.job.notification) {
                    self.ask(call);
                }
            }
        } else if self.patience.lose() {
            for call in self.patience.take() {
                self.go_on_without_daemon(call);
            }
        }
    }

    /// Tells a `sendmmsg` how long a datagram was. The kernel, too, goes on when it cannot.
    fn note_length(&self, job: &Job, length: usize, length_at: Option<u64>) {
        if let (Some(address), Ok(length)) = (length_at, u32::try_from(length))
            && self.notifier.still_waits(job.notification)
        {
            let _ = Target::new(job.tid).write(address, &length.to_ne_bytes());
        }
    }

    /// Sends a request to the daemon; `None` means that no daemon is there. A connection that turns
    /// out to be a dead daemon's is replaced once.
    fn submit(
        &mut self,
        kind: Kind,
        tid: libc::pid_t,
        weight: usize,
        contents: &[u8],
        socket: &Rc<dyn AsFd>,
    ) -> Result<Option<u64>, Errno> {
        let waiting = self.outstanding.values().map(Outstanding::weight);
        let bytes = waiting.sum::<usize>() + self.patience.weight() + weight;
        if self.outstanding.len() >= MOST_OUTSTANDING || bytes > MOST_BYTES {
            return Err(Errno::ENOBUFS);
        }
        self.last_id += 1;
        let request = Request {
            id: self.last_id,
            tid,
            kind,
        };
        for _ in 0..2 {
            if !self.link.open() {
                break;
            }
            match self.link.submit(request, contents, socket) {
                Ok(()) => {
                    self.patience.served();
                    return Ok(Some(request.id));
                }
                Err(Failure::Refused(errno)) => return Err(errno),
                Err(Failure::Lost) => self.lose_daemon(),
            }
        }
        Ok(None)
    }

    /// Reads what the daemon says, and sends it what had to wait.
    fn hear_daemon(&mut self) {
        for _ in 0..ANSWERS_AT_ONCE {
            match self.link.receive() {
                Ok(Some((answer, contents))) => self.apply(answer, &contents),
                Ok(None) => break,
                Err(_) => return self.lose_daemon(),
            }
        }
        if self.link.wants_to_send() && self.link.flush().is_err() {
            self.lose_daemon();
        }
    }

    fn apply(&mut self, answer: Answer, contents: &[u8]) {
        let over = matches!(answer.state, State::Done | State::Refused(_));
        let job = match self.outstanding.get_mut(&answer.id) {
            Some(Outstanding::Question(question)) => {
                match answer.state {
                    State::Taken => {}
                    State::Piece => question.take(contents),
                    State::Done => question.succeed(&self.notifier),
                    State::Refused(errno) => {
                        question.fail(&self.notifier, Errno::from_raw(errno));
                    }
                }
                None
            }
            Some(Outstanding::Netlink { job, .. }) => job.take(),
            None => return,
        };
        if over {
            self.outstanding.remove(&answer.id);
        }
        match (job, answer.state) {
            (Some(job), State::Refused(errno)) => {
                let verdict = job.failure(Errno::from_raw(errno));
                self.notifier.respond(job.notification, verdict);
            }
            (Some(job), _) => self.ready.push_back(job),
            (None, _) => {}
        }
    }

    /// The daemon has gone, and with it the replies that clients wait for: the kernel refuses their
    /// requests in its place.
    fn lose_daemon(&mut self) {
        self.link.close();
        for outstanding in std::mem::take(&mut self.outstanding).into_values() {
            match outstanding {
                Outstanding::Question(question) => question.fail_without_daemon(&self.notifier),
                Outstanding::Netlink {
                    job: Some(job),
                    socket,
                    marks,
                } => match refuse(&socket, &marks) {
                    Ok(()) => self.ready.push_back(job),
                    Err(errno) => self.notifier.respond(job.notification, job.failure(errno)),
                },
                Outstanding::Netlink {
                    job: None,
                    socket,
                    marks,
                } => {
                    let _ = refuse(&socket, datagram::longest_lasting(&marks));
                }
            }
        }
    }
}

/// Has the kernel refuse requests, with its answer going to the client.
fn refuse(socket: &ClientSocket, marks: &[Mark]) -> nix::Result<()> {
    marks
        .chunks(SUBSTITUTES_AT_ONCE)
        .try_for_each(|marks| socket.send(&datagram::substitutes(marks)))
}
