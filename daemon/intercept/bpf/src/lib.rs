//! Takes IPVS requests from all clients, unwrapped, on kernels that let an eBPF program run in
//! place of one of their functions.
//!
//! ```text
//! client ── sendmsg ── security_netlink_send ── [the hook] ── its family in the kernel
//!                                                   │
//!                                            ring buffers ── receivers ── Handler
//! ```
//!
//! The hook (`ebpf/src/netlink`) looks at every datagram for generic netlink, in the namespaces
//! that are served. What is a request to the family, or asks the controller for it, it copies to a
//! ring buffer, of which those have one of their own who may administer the network, with what the
//! kernel knows of the sender, and tells the sender that it was sent. All else goes its way.
//!
//! The hook is in force for as long as the daemon lives, however that ends: then a client finds
//! what the kernel has, and those that wait for an answer get one from the daemon's guard. A daemon
//! that gives no sign of life for some seconds, because it was stopped or hangs, counts as absent,
//! too, until it gives the next one.
//!
//! What this module does not do:
//!
//! * It does not wait for the answer: `sendmsg(2)` has returned when a request is carried out. A
//!   client learns of it by the reply, as it does from the kernel.
//! * It does not ask other security modules (SELinux and the like) about the requests that it takes.
//! * It does not see to which process a message goes that names its destination in the call; such a
//!   message counts as one to the kernel. Nobody sends requests of this family to a process.
//! * A datagram that mixes messages to the family with messages to others is answered as if the
//!   others did not exist. No known client mixes.
//!
//! Where the pieces are: `layout` finds out where the kernel has what the hook looks at; `hook`,
//! `copies` and `bpf_call` load it; `receiver` and `record` read the ring buffers; `guard` answers
//! in the place of a daemon that is silent or has ended, for which it has `shared` and `peek`, and
//! the daemon its `ledger`; `queues` tells how full they are; `clock` is the hook's, too;
//! `namespace` finds the way into a client's namespace, if need be by a descriptor that is
//! `foreign`; `kernel_table` and `kernel_client` deal with the kernel's own IPVS.

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
use sockvs_server::genl::Waiting;

/// How often the hook is looked at.
const WATCH: Duration = Duration::from_secs(5);

/// Who asks, as the hook found out from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The network namespace of the client's socket (`SO_NETNS_COOKIE`).
    pub namespace: u64,
    /// The socket's port id: where replies go.
    pub port: u32,
    /// The process, as the initial process namespace numbers it.
    pub pid: i32,
    /// The thread, likewise.
    pub thread: i32,
    /// The kernel would let it administer the network (`netlink_capable`).
    pub net_admin: bool,
    /// The socket wants acknowledgements without the request's payload (`NETLINK_CAP_ACK`).
    pub cap_ack: bool,
    /// The socket understands extended acknowledgements (`NETLINK_EXT_ACK`).
    pub ext_ack: bool,
    /// When the hook took it, in nanoseconds of `CLOCK_MONOTONIC`.
    pub arrived: u64,
}

impl Request {
    /// Opens the network namespace of the client's socket.
    ///
    /// # Errors
    ///
    /// When there is no way into it: the process has gone elsewhere, and nobody else is known to be
    /// in it.
    pub fn open_namespace(&self) -> io::Result<OwnedFd> {
        namespace::open(self)
    }

    /// The process, as we number it: 0 when we cannot tell.
    #[must_use]
    pub fn visible_pid(&self) -> i32 {
        if sockvs_sys::netns::sees_all_processes() {
            self.pid
        } else {
            0
        }
    }
}

/// Serves the requests.
pub trait Handler: Send + Sync + 'static {
    /// Takes one datagram, in which something is for the family or asks for it. Runs on a thread
    /// that knows the async runtime; the next one of those who may administer the network, or of
    /// those who may not, waits until it returns. `done` is to be dropped when the last reply is
    /// delivered or given up.
    fn datagram(&self, request: Request, bytes: &[u8], done: Box<dyn Waiting>);

    /// Takes what tells how full the queues are that requests wait in.
    fn tell_usage(&self, usage: Box<dyn Fn() -> Vec<Usage> + Send + Sync>);

    /// Waits until the tables can be had. A daemon that cannot have them gives no sign of life.
    fn wait_for_tables(&self);
}

/// The hook in force. It ends with this value, or with the process.
pub struct Interceptor {
    attached: Attached,
    receiver: mpsc::Receiver<io::Error>,
}

impl Interceptor {
    /// Brings a hook into force and passes on what it takes. Must be called within a tokio runtime.
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

    /// Waits until requests cannot be received any more, which should never be. Complains when
    /// messages go past the hook.
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
