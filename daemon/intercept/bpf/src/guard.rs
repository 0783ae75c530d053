//! The guard: a process that answers requests when the daemon is silent or has ended.
//!
//! When the daemon is killed, its hook is detached, but only after the kernel has cleaned up the
//! process; and there are requests that it has taken and not answered. Their senders would wait
//! forever, and so would those that send requests while the daemon is stopped or hangs. So a second
//! process, of the same program, watches the daemon's heartbeat. If it is missing for a while, the
//! hook takes no more requests, and the guard answers the pending ones (with `ENOENT`, like a
//! kernel without the family). When the daemon has ended for any reason, the guard does so once
//! more, and exits.
//!
//! It reads the requests from the ring buffers, without consuming them, and from the memory that it
//! [shares](super::shared) with the daemon, in which the daemon enters what it has consumed. That
//! memory also decides which of the two answers.

use std::{
    collections::{HashMap, HashSet, hash_map},
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::process::{CommandExt as _, parent_id},
    },
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigHandler, Signal, signal},
        socket::{MsgFlags, NetlinkAddr, SockFlag, SockProtocol, sendto},
    },
};
use sockvs_ebpf_common::netlink::HEARTBEAT_TIMEOUT;

use super::{
    Request,
    clock::now,
    peek::Peek,
    record::{self, Abridged},
    shared::{SLOTS, Shared},
};
use sockvs_sys::capabilities;
use sockvs_sys::netns::inside;
use sockvs_sys::{netlink, process::pidfd_open};

/// The guard's process name; it differs from the daemon's, which users kill by name.
const NAME: &str = "sockvs-guard";
/// A client that is inside the hook when it is detached returns from it within this time.
const AFTERMATH: Duration = Duration::from_millis(100);
/// How often to check whether the daemon is silent, in milliseconds.
const LOOK: u16 = 500;
/// How many answers are remembered, to recognise a request that is found again.
const REMEMBERED: usize = 1 << 16;

const NLMSG_ERROR: u16 = 2;
/// The error omits the request (`NLM_F_CAPPED`).
const CAPPED: u16 = 0x100;

/// The descriptors that the guard gets from the daemon.
pub(super) struct Belongings {
    /// The ring buffer of clients with `CAP_NET_ADMIN`.
    pub(super) requests: OwnedFd,
    /// The ring buffer of the other clients.
    pub(super) others: OwnedFd,
    /// The requests that the daemon has consumed.
    pub(super) ledger: OwnedFd,
}

/// Starts the guard of this process.
///
/// # Errors
///
/// When no process can be started.
pub(super) fn start(belongings: Belongings) -> io::Result<()> {
    Command::new("/proc/self/exe")
        .arg0(NAME)
        .arg("--guard")
        .arg(std::process::id().to_string())
        .current_dir("/")
        .env_clear()
        // Keeps signals of the terminal away from it.
        .process_group(0)
        .stdin(Stdio::from(belongings.requests))
        .stdout(Stdio::from(belongings.ledger))
        .stderr(Stdio::from(belongings.others))
        .spawn()
        .map(drop)
}

/// Runs the guard: waits for the end of the process `daemon`, and answers in its place.
///
/// # Errors
///
/// When this was not started by [`start`].
pub fn guard(daemon: u32) -> io::Result<()> {
    prctl::set_name(c"sockvs-guard")?;
    capabilities::keep_needed();
    for stop in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: no handler is set; there is nothing that could run at the wrong time.
        unsafe { signal(stop, SigHandler::SigIgn) }?;
    }
    let mut guard = Guard {
        rings: [
            Peek::open(io::stdin().as_fd().try_clone_to_owned()?)?,
            Peek::open(io::stderr().as_fd().try_clone_to_owned()?)?,
        ],
        shared: Shared::of(io::stdout().as_fd().try_clone_to_owned()?)?,
        answers: Answers::default(),
        left: 0,
    };
    watch(daemon, || guard.look())?;
    for _ in 0..2 {
        guard.answer_until(u64::MAX);
        sleep(AFTERMATH);
    }
    Ok(())
}

/// Watches the daemon until it has ended.
fn watch(daemon: u32, mut look: impl FnMut()) -> io::Result<()> {
    let pid = i32::try_from(daemon).map_err(io::Error::other)?;
    let Ok(process) = pidfd_open(pid, 0) else {
        return Ok(());
    };
    // Only while it is our parent, its process id cannot be reused.
    while parent_id() == daemon {
        let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ended, PollTimeout::from(LOOK)) {
            Ok(0) => look(),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

struct Guard {
    rings: [Peek; 2],
    shared: Shared,
    answers: Answers,
    /// How many requests the daemon had left to the guard at the last check.
    left: u64,
}

impl Guard {
    /// Answers the requests that the daemon will not answer.
    fn look(&mut self) {
        let (now, heartbeat) = (now(), self.shared.heartbeat());
        let left = self.shared.left();
        if heartbeat > 0 && now > heartbeat.saturating_add(HEARTBEAT_TIMEOUT) {
            self.shared.raise_horizon(now);
            self.answer_until(now);
        } else if left != self.left {
            // The daemon serves again, and has found requests from before.
            self.answer_until(self.shared.horizon());
        } else {
            self.answers.rest();
        }
        self.left = left;
    }

    /// Answers the requests that arrived until then. A request that moves from a ring buffer to the
    /// ledger meanwhile is found in at least one of them.
    fn answer_until(&mut self, until: u64) {
        for ring in &self.rings {
            for record in ring.records() {
                if record::arrived(&record) <= until {
                    self.answers.give(&record);
                }
            }
        }
        for number in 0..SLOTS {
            let ours = |record: &Abridged| record::arrived(record) <= until;
            if let Some(record) = self.shared.claim(number, ours) {
                self.answers.give(&record);
            }
        }
    }
}

/// Sends the guard's answers.
#[derive(Default)]
struct Answers {
    /// A socket in each namespace; `None` if the namespace cannot be entered.
    sockets: HashMap<u64, Option<OwnedFd>>,
    /// Namespace, port, sequence number and time of the answered requests.
    given: HashSet<(u64, u32, [u8; 4], u64)>,
}

impl Answers {
    fn give(&mut self, record: &Abridged) {
        let Some((request, datagram)) = record::decode(record) else {
            return;
        };
        let Some(header) = datagram.first_chunk::<16>() else {
            return;
        };
        let [.., s0, s1, s2, s3, _, _, _, _] = *header;
        let sequence = [s0, s1, s2, s3];
        if self.given.len() >= REMEMBERED {
            self.given.clear();
        }
        let identity = (
            request.namespace,
            request.sender.port,
            sequence,
            request.arrived,
        );
        if !self.given.insert(identity) {
            return;
        }
        let socket = match self.sockets.entry(request.namespace) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(unknown) => unknown.insert(socket(&request).ok()),
        };
        if let Some(socket) = socket {
            let to = NetlinkAddr::new(request.sender.port, 0);
            let error = error(&request, header, sequence);
            // A client that has ended needs no answer.
            let _ = sendto(socket.as_raw_fd(), &error, &to, MsgFlags::MSG_DONTWAIT);
        }
    }

    /// Closes the sockets while there is nothing to answer, so that they keep no namespace alive.
    fn rest(&mut self) {
        self.sockets.clear();
    }
}

fn socket(request: &Request) -> io::Result<OwnedFd> {
    let netns = request.open_namespace()?;
    inside(netns.as_fd(), || {
        netlink::open(SockProtocol::NetlinkGeneric, SockFlag::empty())
    })
}

fn error(request: &Request, header: &[u8; 16], sequence: [u8; 4]) -> Vec<u8> {
    let mut bytes = 36_u32.to_ne_bytes().to_vec();
    bytes.extend(NLMSG_ERROR.to_ne_bytes());
    bytes.extend(CAPPED.to_ne_bytes());
    bytes.extend(sequence);
    bytes.extend(request.sender.port.to_ne_bytes());
    bytes.extend((-libc::ENOENT).to_ne_bytes());
    bytes.extend(header);
    bytes
}
