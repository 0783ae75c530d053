//! A process that outlives the daemon by a moment, for the clients that wait for its answer.
//!
//! When the daemon is killed, its hook goes with it, but not before the kernel has cleared up after
//! it; and there are requests that it has taken and not answered. Those who sent them would wait for
//! ever. So a second process, of the same program, sleeps until the daemon has ended in whatever way,
//! answers what was left (as a kernel without the family: `ENOENT`), and ends, too.
//!
//! It knows the requests from the ring buffer, which it shares, and from the `ledger`, where the
//! daemon writes down what it took out of there.

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

use aya::maps::{Map, MapData, MapError, RingBuf};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigHandler, Signal, signal},
        socket::{MsgFlags, NetlinkAddr, SockFlag, SockProtocol, sendto},
    },
};

use super::{Request, ledger, record};
use crate::{
    intercept::{netlink, seccomp::sys::pidfd_open},
    netns::inside,
    privileges,
};

/// The guard's name among the processes; never that of the daemon, which people kill by name.
const NAME: &str = "sockvs-guard";
/// A client that is inside the hook when it is detached comes out of it before that.
const AFTERMATH: Duration = Duration::from_millis(100);

const NLMSG_ERROR: u16 = 2;
/// The request is not repeated in the error (`NLM_F_CAPPED`).
const CAPPED: u16 = 0x100;

/// Starts the guard of this process.
///
/// # Errors
///
/// When there is no process to be had.
pub(super) fn start(requests: OwnedFd, ledger: OwnedFd) -> io::Result<()> {
    Command::new("/proc/self/exe")
        .arg0(NAME)
        .arg("--guard")
        .arg(std::process::id().to_string())
        .current_dir("/")
        .env_clear()
        // Where the terminal's signals go is no place for it.
        .process_group(0)
        .stdin(Stdio::from(requests))
        .stdout(Stdio::from(ledger))
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
}

/// What the guard does: waits for the end of the process `daemon`, and answers what it left.
///
/// # Errors
///
/// When this was not started by [`start`].
pub fn guard(daemon: u32) -> io::Result<()> {
    prctl::set_name(c"sockvs-guard")?;
    privileges::keep_needed();
    for stop in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: no handler is set; there is nothing that could run at the wrong time.
        unsafe { signal(stop, SigHandler::SigIgn) }?;
    }
    let requests = io::stdin().as_fd().try_clone_to_owned()?;
    let ledger = io::stdout().as_fd().try_clone_to_owned()?;
    let mut requests = ring(requests).map_err(io::Error::other)?;
    wait_for(daemon)?;

    let mut farewell = Farewell::default();
    for record in ledger::read(ledger) {
        farewell.answer(&record);
    }
    for _ in 0..2 {
        while let Some(record) = requests.next() {
            farewell.answer(&record);
        }
        sleep(AFTERMATH);
    }
    Ok(())
}

fn ring(requests: OwnedFd) -> Result<RingBuf<MapData>, MapError> {
    RingBuf::try_from(Map::from_map_data(MapData::from_fd(requests)?)?)
}

fn wait_for(daemon: u32) -> io::Result<()> {
    let pid = i32::try_from(daemon).map_err(io::Error::other)?;
    let Ok(process) = pidfd_open(pid, 0) else {
        return Ok(());
    };
    // Only while it is our parent is it certain that it is not somebody else.
    while parent_id() == daemon {
        let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ended, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// The last answers.
#[derive(Default)]
struct Farewell {
    /// A socket in each namespace; none where there is no way in.
    sockets: HashMap<u64, Option<OwnedFd>>,
    /// Namespace, port and number of the requests that were answered.
    answered: HashSet<(u64, u32, [u8; 4])>,
}

impl Farewell {
    fn answer(&mut self, record: &[u8]) {
        let Some((request, datagram)) = record::decode(record) else {
            return;
        };
        let Some(header) = datagram.first_chunk::<16>() else {
            return;
        };
        let [.., s0, s1, s2, s3, _, _, _, _] = *header;
        let sequence = [s0, s1, s2, s3];
        if !self
            .answered
            .insert((request.namespace, request.port, sequence))
        {
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
