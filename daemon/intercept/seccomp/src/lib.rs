//! Takes IPVS requests from the commands that `sockvs exec` runs, by seccomp user notification.
//!
//! Two programs work together:
//!
//! * `sockvs exec -- COMMAND…` ([`exec()`]) leaves a *supervisor* behind and becomes the command.
//!   The supervisor is told of every `sendto`, `sendmsg` and `sendmmsg` of the command and of all
//!   its children, of their `setsockopt` and `getsockopt` with an option of IPVS, and, where asked
//!   for ([`Files`]), of each file that they open. What is not an
//!   IPVS request goes on to the kernel untouched; what is one travels to the daemon, together with
//!   the client's socket.
//! * `sockvsd` ([`Listener`]) takes the requests from all supervisors, finds out for itself who
//!   asks, and hands them to a [`Handler`]. It has two processes ([`relay()`]) accept the supervisors'
//!   connections and close what comes by them, as that can take for ever.
//!
//! While no daemon answers, the command sees a kernel without IPVS: the same ENOENT for the family,
//! given by the kernel itself, and ENOPROTOOPT for the options. Netlink requests of a command that
//! was served before wait some seconds for the next daemon first, and a daemon that stays silent
//! for as long counts as none (`session`).
//!
//! What this module does not do:
//!
//! * It does not look into IPVS messages or options and sends no reply to a client; that is the
//!   [`Handler`]'s. What an option leaves in the caller's memory is written there, though.
//! * It does not see requests sent with `write(2)`, `writev(2)` or io_uring, nor those of 32-bit
//!   (i386) and x32 programs. The known clients use none of these.
//! * It needs leave to look into the processes: those that an ordinary user's supervisor may not
//!   trace (set-user-id ones; under Yama's `ptrace_scope` 1 all but the command itself) talk to the
//!   kernel.
//! * It is no sandbox: a command that wants to reach the kernel can.
//!
//! Where the pieces are: `launch` (become the command) installs `filter`; the threads of the
//! `supervisor` (`workers`) read each `notification`, look at its `target` and `socket`, read the
//! `call`, cut each `datagram` into ours and theirs, and work through the resulting `job`
//! (`call_work`) with the daemon behind `session` and `link`; a call about an `option`, or one that
//! opens a `file`, they hand on as it is (`forwarded_call`). `wire` is what the two say to each other;
//! `listener`, `relay`, `connection`, `packet` and `client` are the daemon's end, and `credentials`
//! says what a process may do. `process` asks the system.

mod call;
mod call_work;
mod client;
mod connection;
mod credentials;
mod datagram;
mod file;
mod filter;
mod forwarded_call;
mod job;
mod launch;
mod link;
mod listener;
mod notification;
mod option;
mod packet;
mod process;
mod relay;
mod session;
mod socket;
mod supervisor;
mod target;
#[cfg(test)]
mod tests;
pub mod wire;
mod workers;

pub use connection::Done;
pub use launch::{ExecError, exec};
pub use listener::{Error, Listener, Service};
pub use relay::{Audience, run as relay};

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use sockvs_server::genl::FAMILY_ID;
use sockvs_server::procfs::Place;
use sockvs_server::sockopt::{Call, Value};

/// The socket that only root may use, beside the one for everybody, so that nobody else is in the
/// way there.
#[must_use]
pub fn root_socket(everybodys: &Path) -> PathBuf {
    let mut path = everybodys.as_os_str().to_owned();
    path.push(".root");
    path.into()
}

/// Who answers for the files that the kernel's IPVS has in /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// The kernel.
    Kernels,
    /// The daemon. Each opening of any file then waits for the supervisor, which takes a few
    /// microseconds.
    Ours,
}

/// Who asks, as the daemon itself found out from the socket and from /proc.
#[derive(Debug)]
pub struct Client {
    /// The network namespace of the client's socket (`SO_NETNS_COOKIE`).
    pub namespace: u64,
    /// The socket's port id (`nl_pid`): where replies go.
    pub port: u32,
    /// The client's process id, or 0 where it lives in another process namespace than the daemon.
    pub pid: i32,
    /// Whether the client, and the supervisor that speaks for it, may change IPVS here.
    pub net_admin: bool,
    /// The socket wants acknowledgements without the request's payload (`NETLINK_CAP_ACK`).
    pub cap_ack: bool,
    /// The socket understands extended acknowledgements (`NETLINK_EXT_ACK`).
    pub ext_ack: bool,
    /// The client's socket itself. While it is open, nobody else can get its port id.
    pub socket: OwnedFd,
}

/// Who reads or changes a socket option, found out likewise.
#[derive(Debug)]
pub struct OptionCaller {
    /// The network namespace of the socket (`SO_NETNS_COOKIE`).
    pub namespace: u64,
    /// The caller's process id, or 0 where it lives in another process namespace than the daemon.
    pub pid: i32,
    /// Whether the caller, and the supervisor that speaks for it, may administer that namespace.
    pub net_admin: bool,
    /// The network namespace itself.
    pub netns: OwnedFd,
}

/// Serves the requests.
pub trait Handler: Send + Sync + 'static {
    /// Takes one run of netlink messages, all for the family "IPVS" or asking for it.
    ///
    /// Runs on the one thread that serves clients of this kind (those of administrators, or all
    /// others), and the client sits in `sendmsg` until it returns. So it must apply the messages,
    /// send the replies that fit the client's receive buffer, and return. A long dump goes on from
    /// elsewhere and keeps `done` until its last reply is delivered or given up.
    ///
    /// # Errors
    ///
    /// The error number, positive, that the client's call is to fail with; nothing was applied
    /// then.
    fn datagram(&self, client: Client, bytes: Vec<u8>, done: Done) -> Result<(), i32>;

    /// Carries out a call about an option of IPVS. The caller sits in it until this returns.
    ///
    /// # Errors
    ///
    /// The error number, positive, that the caller is to see.
    fn option(&self, caller: &OptionCaller, call: &Call) -> Result<Value, i32>;

    /// What is read at a place of /proc in a network namespace. It is for everybody to read there.
    ///
    /// # Errors
    ///
    /// The error number, positive, that the caller is to see.
    fn file(&self, namespace: BorrowedFd<'_>, place: Place) -> Result<String, i32>;
}
