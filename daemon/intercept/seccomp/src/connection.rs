//! The daemon's side of one supervisor's connection. The relay is between the two, so each request
//! has one descriptor, of a kind that can be closed without blocking.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Handler;
use super::client::Supervisor;
use super::packet::{self, Packet};
use super::wire::{
    self, Answer, Kind, LARGEST_PIECE, LARGEST_VOUCHED, Request, State, VouchedRequest,
};
use sockvs_server::{genl::Waiting, procfs::Place};

/// The most pending requests of one supervisor. Our supervisor stops earlier.
const MOST_OUTSTANDING: usize = 1024;

/// The state of a request: being applied, taken with more replies to come, done.
const APPLYING: u8 = 0;
const TAKEN: u8 = 1;
const DONE: u8 = 2;

/// Represents a request in the handler. Dropping it, on any thread, reports that the last reply was
/// delivered or abandoned.
#[derive(Debug)]
pub struct Done {
    id: u64,
    progress: Arc<AtomicU8>,
    answers: UnboundedSender<Answer>,
    _permit: OwnedSemaphorePermit,
}

impl Done {
    /// The same as dropping it.
    pub fn finish(self) {}

    /// Whether no process waits for the replies any more: the client's supervisor has ended, which
    /// it does when the command and all its children have ended.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.answers.is_closed()
    }
}

impl Waiting for Done {}

impl Drop for Done {
    fn drop(&mut self) {
        // If the request was not yet taken, the connection reports both states in one answer.
        if self.progress.swap(DONE, Ordering::AcqRel) == TAKEN {
            let _ = self.answers.send(Answer {
                id: self.id,
                state: State::Done,
            });
        }
    }
}

/// One connection.
struct Connection<'a> {
    /// It carries packets; tokio's type is only used to wait for readiness.
    stream: UnixStream,
    supervisor: Supervisor,
    handler: &'a dyn Handler,
    /// For the [`Done`]s; the number of permits limits pending requests.
    answers: UnboundedSender<Answer>,
    permits: Arc<Semaphore>,
}

/// Serves a connection until its supervisor closes it, or sends an invalid packet.
pub(super) async fn serve(
    stream: UnixStream,
    supervisor: Supervisor,
    handler: &dyn Handler,
) -> io::Result<()> {
    let (answers, later) = unbounded_channel();
    let permits = Arc::new(Semaphore::new(MOST_OUTSTANDING));
    Connection {
        stream,
        supervisor,
        handler,
        answers,
        permits,
    }
    .run(later)
    .await
}

impl Connection<'_> {
    async fn run(&self, mut later: UnboundedReceiver<Answer>) -> io::Result<()> {
        loop {
            tokio::select! {
                Some(answer) = later.recv() => self.send(answer, &[]).await?,
                packet = self.receive() => match packet? {
                    None => return Ok(()),
                    // The supervisor does not wait any more; it was answered.
                    Some(_) if has_ended(&self.stream)? => return Ok(()),
                    Some(packet) => {
                        let (answer, value) = self.take(packet)?;
                        for piece in value.chunks(LARGEST_PIECE) {
                            let state = State::Piece;
                            self.send(Answer { state, ..answer }, piece).await?;
                        }
                        self.send(answer, &[]).await?;
                    }
                },
            }
        }
    }

    async fn receive(&self) -> io::Result<Option<Packet>> {
        self.stream
            .async_io(Interest::READABLE, || {
                packet::receive(self.stream.as_fd(), LARGEST_VOUCHED)
            })
            .await
    }

    async fn send(&self, answer: Answer, contents: &[u8]) -> io::Result<()> {
        let packet = answer.encode(contents);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let send = || Ok(send(self.stream.as_raw_fd(), &packet, flags)?);
        self.stream
            .async_io(Interest::WRITABLE, send)
            .await
            .map(drop)
    }

    /// Passes a request to the handler, and returns the answer, and the value to send before it. An
    /// error is returned for packets that our supervisor never sends.
    fn take(&self, packet: Packet) -> io::Result<(Answer, Vec<u8>)> {
        let nonsense = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let (cookie, request, contents) =
            VouchedRequest::decode(&packet.bytes).ok_or_else(|| nonsense("not a request"))?;
        let answer = |state| Answer {
            id: request.id,
            state,
        };
        let Ok([descriptor]) = <[OwnedFd; 1]>::try_from(packet.descriptors) else {
            // This process has no more descriptors.
            let state = State::Refused(Errno::ENOBUFS as i32);
            return Ok((answer(state), Vec::new()));
        };
        let value = match request.kind {
            Kind::Netlink => {
                let state = self.datagram(request, contents, descriptor);
                let refused = |errno: Errno| State::Refused(errno as i32);
                return Ok((answer(state.unwrap_or_else(refused)), Vec::new()));
            }
            Kind::Option => {
                let call = wire::decode_call(contents).ok_or_else(|| nonsense("not a call"))?;
                let caller = self
                    .supervisor
                    .option_caller(request.tid, cookie, descriptor);
                let caller = caller.map_err(|errno| errno as i32);
                let value = caller.and_then(|caller| self.handler.option(&caller, &call));
                value.map(|value| wire::encode_value(&value))
            }
            Kind::File => {
                let path = str::from_utf8(contents).ok();
                let place = path.and_then(Place::of_path);
                let place = place.ok_or_else(|| nonsense("not a place"))?;
                let text = self.handler.file(descriptor.as_fd(), place);
                text.map(String::into_bytes)
            }
        };
        Ok(match value {
            Ok(value) => (answer(State::Done), value),
            Err(errno) => (answer(State::Refused(errno)), Vec::new()),
        })
    }

    fn datagram(
        &self,
        Request { id, tid, .. }: Request,
        netlink: &[u8],
        socket: OwnedFd,
    ) -> nix::Result<State> {
        let client = self.supervisor.client(tid, socket)?;
        let permit = Arc::clone(&self.permits)
            .try_acquire_owned()
            .map_err(|_| Errno::ENOBUFS)?;
        let progress = Arc::new(AtomicU8::new(APPLYING));
        let done = Done {
            id,
            progress: Arc::clone(&progress),
            answers: self.answers.clone(),
            _permit: permit,
        };
        self.handler
            .datagram(client, netlink.to_vec(), done)
            .map_err(Errno::from_raw)?;
        let more = progress
            .compare_exchange(APPLYING, TAKEN, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        Ok(if more { State::Taken } else { State::Done })
    }
}

/// Whether the peer has closed the connection.
fn has_ended(stream: &UnixStream) -> io::Result<bool> {
    let mut end = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    Ok(poll(&mut end, PollTimeout::ZERO)? > 0)
}
