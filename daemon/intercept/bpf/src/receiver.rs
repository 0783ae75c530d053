//! Reads the ring buffers, and passes on what is in them, in the order in which it was sent.
//!
//! Each has a thread of its own, which carries requests out itself: the client waits for the reply,
//! and every thread that is woken up on the way costs more than the request does. Those who may not
//! administer the network are served with less of the processor, and whatever they keep their
//! thread with, others do not wait for it.
//!
//! The thread for those who may also gives the daemon's signs of life: for as long as it comes
//! round, and the tables can be had.

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

/// How often the daemon gives a sign of life, in nanoseconds, and in milliseconds.
const PULSE: u64 = 1_000_000_000;
const PULSE_TIMEOUT: u16 = 1000;

/// Starts to read the ring buffers. It goes on for as long as the process lives; should it fail,
/// the error is received. Must be called within a tokio runtime.
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
        // Nobody may be there any more to hear of it.
        let _ = failed.try_send(serve());
    });
    started.map(drop)
}

struct Receiver {
    ring: RingBuf<MapData>,
    ledger: Arc<Ledger>,
    handler: Arc<dyn Handler>,
    /// The signs of life, if this thread gives them.
    pulse: Option<Pulse>,
    /// Requests that the guard has to answer, and may not have yet.
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

    /// Takes the next record out of the ring buffer. At any time it is in there, or in the ledger,
    /// or answered.
    fn take(&mut self) -> Option<(Entry, Vec<u8>)> {
        let record = self.ring.next()?;
        Some((self.ledger.enter(&record), record.to_vec()))
    }

    /// Gives a sign of life, if it is time for one.
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
            tracing::error!(%error, "the netlink hook hears nothing of this daemon");
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

/// The daemon's signs of life.
struct Pulse {
    map: Array<MapData, u64>,
    /// Looked at each time.
    queues: Arc<Queues>,
    last: u64,
}
