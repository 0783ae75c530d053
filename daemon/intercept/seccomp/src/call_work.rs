//! Processes a trapped call, from its notification to the result that its caller gets.

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

/// The calls of a command and its children: the state that the worker threads share.
pub(super) struct Calls {
    pub(super) notifier: Notifier,
    pub(super) session: Session,
    pub(super) workers: Workers,
}

impl Calls {
    /// Receives and processes calls, until enough other threads do.
    pub(super) fn receive(&self) {
        loop {
            // Fails if the caller was killed before its notification was read.
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

    /// Processes a call. If this panics, the kernel executes the call.
    fn work_on(&self, notification: &Notification, turn: &Turn<'_>) {
        let verdict = catch_unwind(AssertUnwindSafe(|| {
            if forwarded_call::is_one(notification) {
                let call = forwarded_call::read(notification)
                    .filter(|_| self.notifier.still_waits(notification.id));
                call.map_or(Some(Verdict::Continue), |call| self.pass_on(call, turn))
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

    /// The job for a call, or its result if there is nothing to do.
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
                // Closing it may block forever, and the caller must not wait for that.
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
        // Everything read so far is about the caller only if it still waits now.
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

    /// Executes a job until the call has a result.
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

    /// Sends messages to the daemon and waits for its answer. Without a daemon, the kernel refuses
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
                // If the caller was killed meanwhile, nothing is retried.
                None if retries.wait() && self.notifier.still_waits(job.notification) => {}
                None => break,
            }
        }
        refuse(&job.socket, &marks)
    }

    /// Forwards a whole call to the daemon. `None` if the call has ended already.
    fn pass_on(&self, mut call: ForwardedCall, turn: &Turn<'_>) -> Option<Verdict> {
        let contents = call.contents();
        let descriptor: Descriptor = call.descriptor();
        let (kind, tid) = (call.kind(), call.tid());
        let answered =
            turn.waiting_for_daemon(|| self.forward(kind, tid, &contents, &descriptor, &mut call));
        match answered {
            Ok(true) => call.succeed(&self.notifier),
            Ok(false) => Some(call.without_daemon()),
            Err(errno) => Some(Verdict::Fails(errno)),
        }
    }

    fn forward(
        &self,
        kind: Kind,
        tid: libc::pid_t,
        contents: &[u8],
        descriptor: &Descriptor,
        call: &mut ForwardedCall,
    ) -> nix::Result<bool> {
        let Some(words) = self.session.forward(kind, tid, contents, descriptor)? else {
            return Ok(false);
        };
        loop {
            match words.next() {
                Word::Piece(piece) => call.take(&piece),
                Word::Taken => {}
                Word::Done => return Ok(true),
                Word::Refused(errno) => return Err(errno),
                Word::Lost => return Ok(false),
            }
        }
    }

    /// Writes the length of a datagram for `sendmmsg`. Like the kernel, ignores an error.
    fn note_length(&self, job: &Job, length: usize, length_at: Option<u64>) {
        if let (Some(address), Ok(length)) = (length_at, u32::try_from(length))
            && self.notifier.still_waits(job.notification)
        {
            let _ = Target::new(job.tid).write(address, &length.to_ne_bytes());
        }
    }
}
