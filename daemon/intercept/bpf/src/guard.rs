//! A process that answers in the daemon's stead: when the daemon is silent, and when it is no more.
//!
//! When the daemon is killed, its hook goes with it, but not before the kernel has cleared up after
//! it; and there are requests that it has taken and not answered. Those who sent them would wait
//! for ever. Those would, too, who asked a daemon that does not run any more, because it was
//! stopped or hangs. So a second process, of the same program, looks whether the daemon gives signs
//! of life. If there is none for a while, the hook takes no more requests, and the guard answers
//! what was left (as a kernel without the family: `ENOENT`). When the daemon has ended in whatever
//! way, it does so once more, and ends, too.
//!
//! It knows the requests from the ring buffers, which it looks into, and from the memory that it
//! [shares](super::shared) with the daemon, where the daemon writes down what it took out of there.
//! Which of the two answers is settled there.

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

/// The guard's name among the processes; never that of the daemon, which people kill by name.
const NAME: &str = "sockvs-guard";
/// A client that is inside the hook when it is detached comes out of it before that.
const AFTERMATH: Duration = Duration::from_millis(100);
/// How often it looks whether the daemon is silent, in milliseconds.
const LOOK: u16 = 500;
/// How many answers are remembered for the case that the same request is found again.
const REMEMBERED: usize = 1 << 16;

const NLMSG_ERROR: u16 = 2;
/// The request is not repeated in the error (`NLM_F_CAPPED`).
const CAPPED: u16 = 0x100;

/// What the guard shares with the daemon.
pub(super) struct Belongings {
    /// The ring buffer of those who may administer the network.
    pub(super) requests: OwnedFd,
    /// That of the others.
    pub(super) others: OwnedFd,
    /// What the daemon has taken out of there.
    pub(super) ledger: OwnedFd,
}

/// Starts the guard of this process.
///
/// # Errors
///
/// When there is no process to be had.
pub(super) fn start(belongings: Belongings) -> io::Result<()> {
    Command::new("/proc/self/exe")
        .arg0(NAME)
        .arg("--guard")
        .arg(std::process::id().to_string())
        .current_dir("/")
        .env_clear()
        // Where the terminal's signals go is no place for it.
        .process_group(0)
        .stdin(Stdio::from(belongings.requests))
        .stdout(Stdio::from(belongings.ledger))
        .stderr(Stdio::from(belongings.others))
        .spawn()
        .map(drop)
}

/// What the guard does: waits for the end of the process `daemon`, and answers in its stead.
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

/// Looks after the daemon until it has ended.
fn watch(daemon: u32, mut look: impl FnMut()) -> io::Result<()> {
    let pid = i32::try_from(daemon).map_err(io::Error::other)?;
    let Ok(process) = pidfd_open(pid, 0) else {
        return Ok(());
    };
    // Only while it is our parent is it certain that it is not somebody else.
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
    /// How many requests the daemon had found to be ours when we last looked.
    left: u64,
}

impl Guard {
    /// Answers what the daemon will not.
    fn look(&mut self) {
        let (now, heartbeat) = (now(), self.shared.heartbeat());
        let left = self.shared.left();
        if heartbeat > 0 && now > heartbeat.saturating_add(HEARTBEAT_TIMEOUT) {
            self.shared.raise_horizon(now);
            self.answer_until(now);
        } else if left != self.left {
            // It serves again, and has come upon some that are from before.
            self.answer_until(self.shared.horizon());
        } else {
            self.answers.rest();
        }
        self.left = left;
    }

    /// Answers the requests that arrived until then. What moves from the ring buffers to the ledger
    /// meanwhile is found in one of them at least.
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

/// The answers of the guard.
#[derive(Default)]
struct Answers {
    /// A socket in each namespace; none where there is no way in.
    sockets: HashMap<u64, Option<OwnedFd>>,
    /// Namespace, port, number and time of the requests that were answered.
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
        let identity = (request.namespace, request.port, sequence, request.arrived);
        if !self.given.insert(identity) {
            return;
        }
        let socket = match self.sockets.entry(request.namespace) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(unknown) => unknown.insert(socket(&request).ok()),
        };
        if let Some(socket) = socket {
            let to = NetlinkAddr::new(request.port, 0);
            let error = error(&request, header, sequence);
            // A client that has gone needs no answer.
            let _ = sendto(socket.as_raw_fd(), &error, &to, MsgFlags::MSG_DONTWAIT);
        }
    }

    /// Nothing is to be answered at present: no namespace is kept in being.
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
    bytes.extend(request.port.to_ne_bytes());
    bytes.extend((-libc::ENOENT).to_ne_bytes());
    bytes.extend(header);
    bytes
}
