//! Reads the ring buffers, and passes the requests to the handler, in the order in which they were
//! sent.
//!
//! Each ring buffer has its own thread, which also executes the requests: the client waits for the
//! reply, and every wake-up of another thread costs more than the request. The thread for clients
//! without `CAP_NET_ADMIN` has a lower priority, and whatever they make it do, other clients do not
//! wait for it.
//!
//! The other thread also writes the daemon's heartbeat, as long as its loop runs and the tables can
//! be locked.

use std::{io, os::fd::AsFd as _, sync::Arc, thread};

use aya::maps::{Array, MapData, RingBuf};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use sockvs_ebpf_common::netlink::HEARTBEAT_TIMEOUT;
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    Handler,
    clock::now,
    hook::Rings,
    ledger::{Entry, Ledger},
    queues::Queues,
    record,
};
use sockvs_server::genl::Waiting as _;
use sockvs_sys::{capabilities, process};

/// The interval of the heartbeat, in nanoseconds and in milliseconds.
const PULSE: u64 = 1_000_000_000;
const PULSE_TIMEOUT: u16 = 1000;

/// Starts the threads that read the ring buffers. They run as long as the process; if one fails,
/// its error is received. Must be called within a tokio runtime.
pub(super) fn start(
    rings: Rings,
    queues: Arc<Queues>,
    ledger: &Arc<Ledger>,
    handler: Arc<dyn Handler>,
) -> io::Result<mpsc::Receiver<io::Error>> {
    let (failed, failure) = mpsc::channel(2);
    let pulse = Pulse {
        map: rings.heartbeat,
        queues,
        last: now(),
    };
    let mut administrators = Receiver {
        ring: rings.requests,
        ledger: Arc::clone(ledger),
        handler: Arc::clone(&handler),
        pulse: Some(pulse),
        guards: Vec::new(),
    };
    let mut others = Receiver {
        ring: rings.others,
        ledger: Arc::clone(ledger),
        handler,
        pulse: None,
        guards: Vec::new(),
    };
    let failed_too = failed.clone();
    spawn("sockvs-receiver", failed, move || administrators.serve())?;
    spawn("sockvs-others", failed_too, move || {
        process::be_nice();
        others.serve()
    })?;
    Ok(failure)
}

fn spawn(
    name: &str,
    failed: mpsc::Sender<io::Error>,
    serve: impl FnOnce() -> io::Error + Send + 'static,
) -> io::Result<()> {
    let runtime = Handle::current();
    let thread = thread::Builder::new().name(name.to_owned());
    let started = thread.spawn(move || {
        process::do_not_preempt();
        capabilities::keep_needed();
        let _runtime = runtime.enter();
        // The receiver may have been dropped.
        let _ = failed.try_send(serve());
    });
    started.map(drop)
}

struct Receiver {
    ring: RingBuf<MapData>,
    ledger: Arc<Ledger>,
    handler: Arc<dyn Handler>,
    /// The heartbeat, if this thread writes it.
    pulse: Option<Pulse>,
    /// Requests that are left to the guard, which it may not have answered yet.
    guards: Vec<Entry>,
}

impl Receiver {
    fn serve(&mut self) -> io::Error {
        loop {
            self.beat();
            while let Some((entry, bytes)) = self.take() {
                match record::decode(&bytes) {
                    Some((request, _)) if self.ledger.is_guards(request.arrived) => {
                        self.guards.push(entry);
                    }
                    Some((request, datagram)) => {
                        self.handler.datagram(request, datagram, Box::new(entry));
                    }
                    None => tracing::warn!(length = bytes.len(), "the hook sent something unknown"),
                }
                self.beat();
            }
            self.guards.retain(Entry::wants_replies);
            let mut ring = [PollFd::new(self.ring.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ring, PollTimeout::from(PULSE_TIMEOUT)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return errno.into(),
            }
        }
    }

    /// Consumes the next record of the ring buffer. At any time, a request is in the ring buffer,
    /// or in the ledger, or answered.
    fn take(&mut self) -> Option<(Entry, Vec<u8>)> {
        let record = self.ring.next()?;
        Some((self.ledger.enter(&record), record.to_vec()))
    }

    /// Writes the heartbeat, if it is due.
    fn beat(&mut self) {
        let Some(pulse) = &mut self.pulse else {
            return;
        };
        if now().saturating_sub(pulse.last) < PULSE {
            return;
        }
        self.handler.wait_for_tables();
        pulse.queues.warn();
        let now = now();
        let silent = now.saturating_sub(pulse.last);
        pulse.last = now;
        self.ledger.beat(now);
        if let Err(error) = pulse.map.set(0, now, 0) {
            tracing::error!(%error, "cannot write the heartbeat of the netlink hook");
        }
        if silent > HEARTBEAT_TIMEOUT {
            tracing::warn!(
                seconds = silent / 1_000_000_000,
                "nothing was served for a while; requests to IPVS went to the kernel; compare \
                 ipvsadm -Ln with /proc/net/ip_vs"
            );
        }
    }
}

/// The daemon's heartbeat.
struct Pulse {
    map: Array<MapData, u64>,
    /// Checked at each heartbeat.
    queues: Arc<Queues>,
    last: u64,
}
