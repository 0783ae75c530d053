//! One supervisor's connection, on its own thread.
//!
//! Requests go from the supervisor to the daemon, answers in the other direction, one packet of
//! each at a time. Descriptors that came with a request are closed here, which may block.

use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use nix::{
    Result,
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        socket::{MsgFlags, recv},
        statfs::{NSFS_MAGIC, fstatfs},
    },
};

use super::{
    super::{
        option::InternetSocket,
        packet,
        socket::ClientSocket,
        wire::{Answer, Kind, LARGEST_PACKET, LARGEST_PIECE, Request, State, VouchedRequest},
    },
    Peer, channel, send,
};
use sockvs_sys::netns::{self, cookie_of_socket, of_socket};

/// A request that can be sent to the daemon.
struct Vouched {
    packet: Vec<u8>,
    descriptor: OwnedFd,
}

/// Both ends, and the pending packets.
struct Connection<'a> {
    supervisor: &'a OwnedFd,
    daemon: OwnedFd,
    request: Option<Vouched>,
    answer: Option<Vec<u8>>,
}

/// Serves a connection until one end closes it, or the supervisor sends an invalid packet.
pub(super) fn serve(supervisor: &OwnedFd, daemons_channel: OwnedFd, peer: &Peer) {
    let Ok((theirs, ours)) = channel() else {
        return;
    };
    // The daemon may be busy: this thread can wait.
    while let Err(errno) = peer.introduce(&daemons_channel, theirs.as_fd()) {
        let wait = [PollFd::new(daemons_channel.as_fd(), PollFlags::POLLOUT)];
        if errno != Errno::EAGAIN || poll(&mut { wait }, PollTimeout::NONE).is_err() {
            return;
        }
    }
    drop((theirs, daemons_channel));
    let connection = Connection {
        supervisor,
        daemon: ours,
        request: None,
        answer: None,
    };
    if let Err(error) = connection.run() {
        tracing::debug!(uid = peer.uid, %error, "a supervisor's connection ended");
    }
}

impl Connection<'_> {
    fn run(mut self) -> Result<()> {
        let wanted = |yes, flag| if yes { flag } else { PollFlags::empty() };
        let over = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        loop {
            let (asks, answers) = (self.request.is_some(), self.answer.is_some());
            let (readable, writable) = (PollFlags::POLLIN, PollFlags::POLLOUT);
            let supervisors = wanted(!asks, readable) | wanted(answers, writable);
            let daemons = wanted(!answers, readable) | wanted(asks, writable);
            let mut ready = [
                PollFd::new(self.supervisor.as_fd(), supervisors),
                PollFd::new(self.daemon.as_fd(), daemons),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
            let seen = ready.map(|end| end.revents().unwrap_or(over));
            // If the supervisor has ended, its last request needs no answer.
            if seen[0].intersects(over) || (seen[1].intersects(over) && answers) {
                return Ok(());
            }
            if let Some(answer) = self.answer.take_if(|_| seen[0].contains(writable)) {
                if let Err(errno) = send(self.supervisor, &answer, &[]) {
                    again(errno)?;
                    self.answer = Some(answer);
                }
            } else if self.answer.is_none() && seen[1].intersects(readable | over) {
                let Some(answer) = self.hear_daemon()? else {
                    return Ok(());
                };
                self.answer = Some(answer);
            }
            if let Some(request) = self.request.take_if(|_| seen[1].contains(writable)) {
                if let Err(errno) =
                    send(&self.daemon, &request.packet, &[request.descriptor.as_fd()])
                {
                    again(errno)?;
                    self.request = Some(request);
                }
            } else if self.request.is_none() && seen[0].contains(readable) {
                self.hear_supervisor()?;
            }
        }
    }

    /// The next answer; `None` if the daemon has ended.
    fn hear_daemon(&self) -> Result<Option<Vec<u8>>> {
        let mut packet = vec![0; Answer::LENGTH + LARGEST_PIECE];
        let flags = MsgFlags::MSG_DONTWAIT;
        match recv(self.daemon.as_raw_fd(), &mut packet, flags)? {
            0 => Ok(None),
            length => {
                packet.truncate(length);
                Ok(Some(packet))
            }
        }
    }

    /// Receives the next request, which is passed to the daemon or refused.
    fn hear_supervisor(&mut self) -> Result<()> {
        let errno = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
        let packet = match packet::receive(self.supervisor.as_fd(), LARGEST_PACKET) {
            Ok(packet) => packet.ok_or(Errno::ECONNRESET)?,
            Err(error) => return again(errno(error)),
        };
        let (request, _) = Request::decode(&packet.bytes).ok_or(Errno::EBADMSG)?;
        let vouched = if packet.cut {
            Err(Errno::ENOBUFS)
        } else {
            let [descriptor] =
                <[OwnedFd; 1]>::try_from(packet.descriptors).map_err(|_| Errno::EBADMSG)?;
            vouch(request.kind, descriptor)
        };
        match vouched {
            Ok((cookie, descriptor)) => {
                let packet = VouchedRequest::encode(cookie, &packet.bytes);
                self.request = Some(Vouched { packet, descriptor });
            }
            Err(errno) => {
                let (id, state) = (request.id, State::Refused(errno as i32));
                let answer = Answer { id, state }.encode(&[]);
                // The buffer is full only if the supervisor does not read.
                send(self.supervisor, &answer, &[])?;
            }
        }
        Ok(())
    }
}

/// Ignores errors after which the call can be retried.
fn again(errno: Errno) -> Result<()> {
    match errno {
        Errno::EAGAIN | Errno::EINTR => Ok(()),
        errno => Err(errno),
    }
}

/// The descriptor that the daemon gets instead, and the cookie of a socket's network namespace.
/// Closing that descriptor never blocks.
fn vouch(kind: Kind, descriptor: OwnedFd) -> Result<(u64, OwnedFd)> {
    let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    match kind {
        Kind::Netlink => {
            let socket = ClientSocket::recognise(descriptor).map_err(|_| Errno::EINVAL)?;
            Ok((0, socket.into()))
        }
        Kind::Option => {
            let socket = InternetSocket::recognise(descriptor).ok_or(Errno::EINVAL)?;
            let cookie = cookie_of_socket(socket.as_fd()).map_err(errno)?;
            let netns = of_socket(socket.as_fd()).map_err(errno)?;
            Ok((cookie, netns))
        }
        Kind::File => {
            // The kernel states the file system; what the file itself returns is proof only after
            // that check.
            let is_netns = fstatfs(&descriptor)
                .is_ok_and(|found| found.filesystem_type() == NSFS_MAGIC)
                && netns::is_network_namespace(descriptor.as_fd());
            if is_netns {
                Ok((0, descriptor))
            } else {
                Err(Errno::ENOENT)
            }
        }
    }
}
