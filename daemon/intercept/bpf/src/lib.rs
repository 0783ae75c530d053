//! Takes IPVS requests from all clients without `sockvs exec`, on kernels that can attach an eBPF
//! program to one of their functions.
//!
//! ```text
//! client ── sendmsg ── security_netlink_send ── [the hook] ── its family in the kernel
//!                                                   │
//!                                            ring buffers ── receivers ── Handler
//! ```
//!
//! The hook (`ebpf/src/netlink`) checks every generic netlink datagram in the served namespaces. It
//! copies requests to the family, and requests for the family to the controller, to a ring buffer,
//! with the sender's attributes from the kernel, and reports to the sender that the datagram was
//! sent. Clients with `CAP_NET_ADMIN` have a ring buffer of their own. Other datagrams go to the
//! kernel unchanged.
//!
//! The hook is attached as long as the daemon lives. When the daemon ends for any reason, clients
//! reach the kernel's families again, and those that wait for an answer get one from the guard. A
//! daemon without a heartbeat for some seconds, because it was stopped or hangs, also counts as
//! absent, until the next heartbeat.
//!
//! What this module does not do:
//!
//! * It does not wait for the reply: `sendmsg(2)` returns before a request is executed. A client
//!   learns the result from the reply, as with the kernel.
//! * It does not ask other security modules (SELinux and the like) about the requests that it
//!   takes.
//! * It does not see the destination of a message that names a process in the call; such a message
//!   counts as one to the kernel. No known client sends requests of this family to a process.
//! * A datagram with messages to the family and to others is answered as if the others did not
//!   exist. No known client sends such datagrams.
//!
//! Modules: `layout` determines the offsets of kernel fields; `hook` and `copies` load and attach
//! the program; `receiver` and `record` read the ring buffers; `guard` answers in the place of a
//! daemon that is silent or has ended, with `shared` and `peek`, and the daemon has its `ledger`;
//! `queues` reports how full the ring buffers are; `clock` is the hook's clock; `namespace` opens a
//! client's namespace, if necessary by a `foreign` descriptor; `kernel_table` and `kernel_client`
//! check the kernel's own IPVS.

mod clock;
mod copies;
mod foreign;
mod guard;
mod hook;
mod kernel_client;
mod kernel_table;
mod layout;
mod ledger;
mod namespace;
mod peek;
mod queues;
mod receiver;
mod record;
mod shared;
#[cfg(test)]
mod tests;

pub use guard::guard;
pub use hook::{Attached, Error, Hook, Scope};
pub use kernel_table::{KernelTableError, clear_kernel_table};

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use ledger::Ledger;
use queues::Queues;
use tokio::{sync::mpsc, time::timeout};

use sockvs_ipvs::Usage;
use sockvs_server::genl::{Sender, Waiting};

/// How often to check whether messages bypassed the hook.
const WATCH: Duration = Duration::from_secs(5);

/// The sender of a request, as the hook read it from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The network namespace of the client's socket (`SO_NETNS_COOKIE`).
    pub namespace: u64,
    /// The sender. Its process has the number that it has in the initial PID namespace, which need
    /// not be ours: see [`visible_sender`](Self::visible_sender).
    pub sender: Sender,
    /// The thread id in the initial PID namespace.
    pub thread: i32,
    /// When the hook took it, in nanoseconds of `CLOCK_MONOTONIC`.
    pub arrived: u64,
}

impl Request {
    /// Opens the network namespace of the client's socket.
    ///
    /// # Errors
    ///
    /// When it cannot be found: the process is in another namespace, and no other process in it is
    /// known.
    pub fn open_namespace(&self) -> io::Result<OwnedFd> {
        namespace::open(self)
    }

    /// The sender, its process as our PID namespace numbers it; 0 if that cannot be determined.
    #[must_use]
    pub fn visible_sender(&self) -> Sender {
        let mut sender = self.sender;
        if !sockvs_sys::netns::sees_all_processes() {
            sender.pid = 0;
        }
        sender
    }
}

/// Serves the requests.
pub trait Handler: Send + Sync + 'static {
    /// Handles one datagram that has a message to the family, or one to the controller that asks
    /// for it. Runs on a thread with a tokio runtime; the next datagram of clients with
    /// `CAP_NET_ADMIN`, or of those without, waits until it returns. `done` must be dropped when
    /// the last reply was delivered or abandoned.
    fn datagram(&self, request: Request, bytes: &[u8], done: Box<dyn Waiting>);

    /// Passes a function that reports how full the ring buffers are.
    fn tell_usage(&self, usage: Box<dyn Fn() -> Vec<Usage> + Send + Sync>);

    /// Blocks until the tables can be locked. While this blocks, the daemon sends no heartbeat.
    fn wait_for_tables(&self);
}

/// The attached hook. It is detached when this value is dropped, or with the process.
pub struct Interceptor {
    attached: Attached,
    receiver: mpsc::Receiver<io::Error>,
}

impl Interceptor {
    /// Attaches a hook and passes its requests to the handler. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn start(hook: Hook, handler: Arc<dyn Handler>) -> Result<Self, Error> {
        let ledger = Arc::new(Ledger::new().map_err(Error::Guard)?);
        let (requests, others) = hook.rings().map_err(Error::Guard)?;
        let queues = Queues::open(requests, others).map_err(Error::Guard)?;
        let (requests, others) = hook.rings().map_err(Error::Guard)?;
        let belongings = guard::Belongings {
            requests,
            others,
            ledger: ledger.share().map_err(Error::Guard)?,
        };
        guard::start(belongings).map_err(Error::Guard)?;
        let (attached, rings) = hook.attach()?;
        ledger.beat(clock::now());
        let queues = Arc::new(queues);
        let looked_at = Arc::clone(&queues);
        handler.tell_usage(Box::new(move || looked_at.usage()));
        let receiver = receiver::start(rings, queues, &ledger, handler).map_err(Error::Receiver)?;
        Ok(Self { attached, receiver })
    }

    /// Waits until receiving requests fails, which should never happen. Logs a warning when
    /// messages bypass the hook.
    pub async fn failed(&mut self) -> io::Error {
        let mut known = 0;
        loop {
            if let Ok(ended) = timeout(WATCH, self.receiver.recv()).await {
                return ended.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
            }
            match self.attached.missed() {
                Ok(missed) if missed > known => {
                    tracing::warn!(
                        messages = missed - known,
                        "messages went past the hook, requests to IPVS perhaps among them; compare \
                         ipvsadm -Ln with /proc/net/ip_vs"
                    );
                    known = missed;
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the kernel does not tell what went past"),
            }
        }
    }
}
