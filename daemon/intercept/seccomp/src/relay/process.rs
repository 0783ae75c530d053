//! The main function of the relay: accepts connections, and starts a thread for each.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd},
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};

use caps::Capability;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        signal::{SigHandler, Signal, signal},
        socket::{SockFlag, accept4, getsockopt, sockopt},
    },
};

use super::{
    Audience, Peer,
    admission::{Admission, Permit},
    connection,
};
use sockvs_sys::capabilities;
use sockvs_sys::rate_limit::RateLimit;

/// The relay's process name; it differs from the daemon's, which users kill by name.
#[cfg(not(test))]
pub(super) const NAME: &str = "sockvs-relay";
/// The delay when there is no memory for a connection or a thread.
const BREATH: Duration = Duration::from_millis(50);
/// The call stack of a connection's thread is not deep.
const STACK: usize = 256 << 10;
/// The descriptors that the relay is started with.
const CHANNEL: RawFd = 0;
const LISTENER: RawFd = 1;
const LOG: RawFd = 2;

static TOO_MANY: RateLimit = RateLimit::new();

/// Serves a listening socket until the daemon ends.
///
/// # Errors
///
/// When this process was not started by the daemon.
pub fn run(audience: Audience) -> io::Result<()> {
    prctl::set_name(c"sockvs-relay")?;
    // The relay only ends when the daemon does.
    for stop in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: no handler is set; there is nothing that could run at the wrong time.
        unsafe { signal(stop, SigHandler::SigIgn) }?;
    }
    sockvs_sys::process::close_range(LOG + 1, RawFd::MAX)?;
    capabilities::keep_only(&[Capability::CAP_NET_ADMIN]);
    if audience == Audience::Everybody {
        sockvs_sys::process::be_nice();
    }
    let (channel, listener) = (io::stdin(), io::stdout());
    let admission = Admission::default();
    loop {
        let mut ready = [
            PollFd::new(channel.as_fd(), PollFlags::empty()),
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if ready[0].any() == Some(true) {
            // Threads that are blocked are abandoned.
            sockvs_sys::process::leave(0);
        }
        if ready[1].any() != Some(true) {
            continue;
        }
        match accept4(LISTENER, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK) {
            Ok(number) => {
                // SAFETY: the kernel has just created this descriptor.
                let connection = unsafe { OwnedFd::from_raw_fd(number) };
                admit(connection, &admission);
            }
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => {}
            Err(error) => {
                tracing::debug!(%error, "cannot accept a supervisor");
                thread::sleep(BREATH);
            }
        }
    }
}

fn admit(connection: OwnedFd, admission: &Admission) {
    let peer = getsockopt(&connection, sockopt::PeerCredentials).and_then(|credentials| {
        let pidfd = match sockvs_sys::socket::peer_pidfd(connection.as_fd()) {
            Ok(pidfd) => Some(pidfd),
            Err(Errno::ENOPROTOOPT) => None,
            Err(errno) => return Err(errno),
        };
        Ok(Peer {
            uid: credentials.uid(),
            pid: credentials.pid(),
            pidfd,
        })
    });
    let admitted = match peer {
        Ok(peer) => match admission.admit(peer.uid) {
            Ok(permit) => Some((peer, permit)),
            Err(full) => {
                if let Some(left_out) = TOO_MANY.admit() {
                    let uid = peer.uid;
                    tracing::warn!(uid, left_out, "sockvs exec is refused a connection: {full}");
                }
                None
            }
        },
        Err(error) => {
            tracing::debug!(%error, "cannot tell who a supervisor is");
            None
        }
    };
    hand_over(connection, admitted);
}

/// Passes a connection to its own thread, which serves it, or closes it if it was not admitted.
/// Even closing may block: data that the peer has sent already is closed with the connection.
fn hand_over(connection: OwnedFd, admitted: Option<(Peer, Permit)>) {
    let number = connection.as_raw_fd();
    let (peer, permit) = admitted.unzip();
    let pidfd = peer.as_ref().and_then(|peer| peer.pidfd.as_ref());
    let pidfd = pidfd.map(|pidfd| pidfd.as_raw_fd());
    let known = peer.as_ref().map(|peer| (peer.uid, peer.pid));
    loop {
        let (apart, is_apart) = sync_channel::<()>(1);
        let (closed, is_closed) = sync_channel::<()>(1);
        let (place, take_place) = sync_channel::<Option<Permit>>(1);
        let thread = thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn(move || {
            let Ok(kept) = table_of_our_own([Some(CHANNEL), Some(number), pidfd]) else {
                return;
            };
            let _ = apart.send(());
            // Until then, the acceptor's copy could be the last one, and closing it would block the
            // acceptor.
            let _ = is_closed.recv();
            let permit = take_place.recv().ok().flatten();
            let [Some(channel), Some(connection), pidfd] = kept else {
                return;
            };
            if let Some((uid, pid)) = known {
                let peer = Peer { uid, pid, pidfd };
                connection::serve(&connection, channel, &peer);
            }
            // It is closed when the thread exits, which, unlike close(2), does not let sockets
            // linger.
            let _ = connection.into_raw_fd();
            drop(permit);
        });
        if thread.is_ok() && is_apart.recv().is_ok() {
            let _ = place.send(permit);
            drop((connection, peer));
            let _ = closed.send(());
            return;
        }
        thread::sleep(BREATH);
    }
}

/// Gives the calling thread its own descriptor table, which only has these descriptors and the
/// log's. The thread owns them.
fn table_of_our_own<const N: usize>(
    numbers: [Option<RawFd>; N],
) -> nix::Result<[Option<OwnedFd>; N]> {
    unshare(CloneFlags::CLONE_FILES)?;
    let mut kept: Vec<RawFd> = numbers.iter().flatten().copied().chain([LOG]).collect();
    kept.sort_unstable();
    let mut first = 0;
    for number in kept {
        sockvs_sys::process::close_range(first, number - 1)?;
        first = number + 1;
    }
    sockvs_sys::process::close_range(first, RawFd::MAX)?;
    Ok(numbers.map(|number| {
        number.map(|number| {
            // SAFETY: this table was just created, and nothing else in it owns the number.
            unsafe { OwnedFd::from_raw_fd(number) }
        })
    }))
}
