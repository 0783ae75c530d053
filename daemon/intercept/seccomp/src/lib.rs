//! Takes IPVS requests from commands that `sockvs exec` runs, by seccomp user notification.
//!
//! Two programs work together:
//!
//! * `sockvs exec -- COMMAND…` ([`exec()`]) starts a *supervisor* and becomes the command. The
//!   supervisor is notified of every `sendto`, `sendmsg` and `sendmmsg` of the command and all its
//!   children, of their `setsockopt` and `getsockopt` calls with an option of IPVS, and, on request
//!   ([`Files`]), of each file that they open. Everything except IPVS requests goes on to the
//!   kernel unchanged; IPVS requests are sent to the daemon, together with the client's socket.
//! * `sockvsd` ([`Listener`]) receives the requests from all supervisors, determines the clients'
//!   credentials itself, and passes the requests to a [`Handler`]. Two separate processes
//!   ([`relay()`]) accept the supervisors' connections and close the descriptors that they send, as
//!   that can block forever.
//!
//! Without a daemon, the command sees a kernel without IPVS: ENOENT for the family, from the kernel
//! itself, and ENOPROTOOPT for the options. Netlink requests of a command that was served before
//! first wait some seconds for the next daemon. A daemon that is silent for as long counts as
//! absent (`session`).
//!
//! What this module does not do:
//!
//! * It does not decode IPVS messages or options and sends no reply to a client; the [`Handler`]
//!   does. But it writes the value of an option to the caller's memory.
//! * It does not see requests sent with `write(2)`, `writev(2)` or io_uring, nor those of 32-bit
//!   (i386) and x32 programs. The known clients use none of these.
//! * It requires permission to trace the processes: those that an ordinary user's supervisor may
//!   not trace (set-user-id ones; under Yama's `ptrace_scope` 1 all but the command itself) reach
//!   the kernel.
//! * It is no sandbox: a command that wants to reach the kernel can.
//!
//! Modules: `launch` (start the supervisor and become the command) installs `filter`; the threads
//! of the `supervisor` (`workers`) receive each `notification`, identify its `target` and `socket`,
//! read the `call`, divide each `datagram` into messages for IPVS and others, and execute the
//! resulting `job` (`call_work`) with the daemon, by `session` and `link`; calls about an `option`,
//! or that open a `file`, are forwarded as a whole (`forwarded_call`). `wire` is the protocol
//! between the two; `listener`, `relay`, `connection`, `packet` and `client` are the daemon's side,
//! and `credentials` checks the capabilities of a process. `process` reads /proc.

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

use sockvs_server::genl::{FAMILY_ID, Sender};
use sockvs_server::procfs::Place;
use sockvs_server::sockopt::{Call, Value};

/// The socket that only root may use, beside the one for all users, so that other users cannot
/// block it.
#[must_use]
pub fn root_socket(everybodys: &Path) -> PathBuf {
    let mut path = everybodys.as_os_str().to_owned();
    path.push(".root");
    path.into()
}

/// Whether the daemon serves the files of IPVS in /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// No; the kernel does.
    Kernels,
    /// Yes. Each `open` of any file then waits for the supervisor, which takes a few microseconds.
    Ours,
}

/// The sender of a request, as the daemon determined it from the socket and from /proc.
#[derive(Debug)]
pub struct Client {
    /// The network namespace of the client's socket (`SO_NETNS_COOKIE`).
    pub namespace: u64,
    /// The sender. It has `net_admin` if both the client and its supervisor have.
    pub sender: Sender,
    /// The client's socket. While it is open, no other socket can get its port id.
    pub socket: OwnedFd,
}

/// The process that reads or changes a socket option, determined in the same way.
#[derive(Debug)]
pub struct OptionCaller {
    /// The network namespace of the socket (`SO_NETNS_COOKIE`).
    pub namespace: u64,
    /// The caller's process id, or 0 if it is in another PID namespace than the daemon.
    pub pid: i32,
    /// Whether both the caller and its supervisor may administer that namespace.
    pub net_admin: bool,
    /// The network namespace.
    pub netns: OwnedFd,
}

/// Serves the requests.
pub trait Handler: Send + Sync + 'static {
    /// Handles a sequence of netlink messages, all for the family "IPVS" or asking for it.
    ///
    /// Runs on the single thread for clients of this kind (administrators, or all others), and the
    /// client waits in `sendmsg` until it returns. So it must apply the messages, send the replies
    /// that fit the client's receive buffer, and return. A long dump continues elsewhere and keeps
    /// `done` until its last reply was delivered or abandoned.
    ///
    /// # Errors
    ///
    /// The positive error number with which the client's call fails; nothing was applied then.
    fn datagram(&self, client: Client, bytes: Vec<u8>, done: Done) -> Result<(), i32>;

    /// Executes a call about an option of IPVS. The caller waits until it returns.
    ///
    /// # Errors
    ///
    /// The positive error number that the caller gets.
    fn option(&self, caller: &OptionCaller, call: &Call) -> Result<Value, i32>;

    /// The contents of a file of /proc in a network namespace. All users may read it.
    ///
    /// # Errors
    ///
    /// The positive error number that the caller gets.
    fn file(&self, namespace: BorrowedFd<'_>, place: Place) -> Result<String, i32>;
}
