//! What a thread does about a call, from its notification to what its caller sees.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nix::errno::Errno;

use super::call;
use super::datagram;
use super::forwarded_call::{self, ForwardedCall};
use super::job::{Job, Step};
use super::link::Descriptor;
use super::notification::{Notification, Notifier, Verdict};
use super::process;
use super::session::{Session, Word, refuse};
use super::socket::ClientSocket;
use super::target::Target;
use super::wire::Kind;
use super::workers::{Turn, Workers};

/// The calls of a command and its children: what the threads that work on them share.
pub(super) struct Calls {
    pub(super) notifier: Notifier,
    pub(super) session: Session,
    pub(super) workers: Workers,
}

impl Calls {
    /// Takes calls, one after another, until there are threads enough without this one.
    pub(super) fn receive(&self) {
        loop {
            // Fails when the caller was killed before it could be told of.
            let Ok(notification) = self.notifier.receive() else {
                std::thread::yield_now();
                continue;
            };
            match self.workers.begin(notification.tid) {
                Some(turn) => self.work_on(&notification, &turn),
                None => self.notifier.respond(notification.id, Verdict::Continue),
            }
            if self.workers.is_one_too_many() {
                return;
            }
        }
    }

    /// Decides about a call. Should there be a mistake in here, the call goes through.
    fn work_on(&self, notification: &Notification, turn: &Turn<'_>) {
        let verdict = catch_unwind(AssertUnwindSafe(|| {
            if forwarded_call::is_one(notification) {
                let question = forwarded_call::read(notification)
                    .filter(|_| self.notifier.still_waits(notification.id));
                question.map_or(Some(Verdict::Continue), |question| {
                    self.pass_on(question, turn)
                })
            } else {
                Some(match self.recognise(notification) {
                    Ok(job) => self.carry_out(job, turn),
                    Err(verdict) => verdict,
                })
            }
        }));
        if let Some(verdict) = verdict.unwrap_or(Some(Verdict::Continue)) {
            self.notifier.respond(notification.id, verdict);
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
        let socket = match ClientSocket::recognise(fd) {
            Ok(socket) => socket,
            Err(other) => {
                // To close it may take for ever, and its caller is not to wait for that.
                self.notifier.respond(notification.id, Verdict::Continue);
                drop(other);
                return Err(Verdict::Continue);
            }
        };
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
            Arc::new(socket),
            &call,
        ))
    }

    /// Works on a call until it is over.
    fn carry_out(&self, mut job: Job, turn: &Turn<'_>) -> Verdict {
        while let Some(step) = job.next_step() {
            let result = match step {
                Step::Complete { length, length_at } => {
                    self.note_length(&job, length, length_at);
                    job.count(length);
                    Ok(())
                }
                Step::Foreign(bytes) => job.socket.send(&bytes),
                Step::Ours(messages) => turn.waiting_for_daemon(|| self.ask(&job, &messages)),
            };
            if let Err(errno) = result {
                return job.failure(errno);
            }
        }
        job.success()
    }

    /// Hands messages to the daemon and waits for its word. Where there is none, the kernel refuses
    /// them.
    fn ask(&self, job: &Job, messages: &[u8]) -> nix::Result<()> {
        let marks = datagram::marks(messages);
        let mut retries = self.session.retry_queue();
        loop {
            let marks = marks.clone();
            let socket = Arc::clone(&job.socket);
            match self.session.netlink(job, messages, socket, marks)? {
                Some(words) => match words.next() {
                    Word::Taken | Word::Done | Word::Piece(_) => return Ok(()),
                    Word::Refused(errno) => return Err(errno),
                    Word::Lost => break,
                },
                // Whoever was killed meanwhile wants nothing any more.
                None if retries.wait() && self.notifier.still_waits(job.notification) => {}
                None => break,
            }
        }
        refuse(&job.socket, &marks)
    }

    /// Hands a call to the daemon as it is. None is for a call that is over.
    fn pass_on(&self, mut question: ForwardedCall, turn: &Turn<'_>) -> Option<Verdict> {
        let contents = question.contents();
        let descriptor: Descriptor = question.descriptor();
        let (kind, tid) = (question.kind(), question.tid());
        let answered = turn.waiting_for_daemon(|| {
            self.ask_question(kind, tid, &contents, &descriptor, &mut question)
        });
        match answered {
            Ok(true) => question.succeed(&self.notifier),
            Ok(false) => Some(question.without_daemon()),
            Err(errno) => Some(Verdict::Fails(errno)),
        }
    }

    fn ask_question(
        &self,
        kind: Kind,
        tid: libc::pid_t,
        contents: &[u8],
        descriptor: &Descriptor,
        question: &mut ForwardedCall,
    ) -> nix::Result<bool> {
        let Some(words) = self.session.question(kind, tid, contents, descriptor)? else {
            return Ok(false);
        };
        loop {
            match words.next() {
                Word::Piece(piece) => question.take(&piece),
                Word::Taken => {}
                Word::Done => return Ok(true),
                Word::Refused(errno) => return Err(errno),
                Word::Lost => return Ok(false),
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
}
