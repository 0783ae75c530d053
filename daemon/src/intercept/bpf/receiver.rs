//! Reads the ring buffer, and passes on what is in it, in the order in which it was sent.
//!
//! A thread of its own does it, and carries requests out itself: the client waits for the reply, and
//! every thread that is woken up on the way costs more than the request does.

use std::{io, os::fd::AsFd as _, sync::Arc, thread};

use aya::maps::{MapData, RingBuf};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use tokio::{runtime::Handle, sync::oneshot};

use super::{Handler, do_not_interrupt, ledger::Ledger, record};
use crate::privileges;

/// Starts to read the ring buffer. It goes on for as long as the process lives; should it fail, the error
/// is received. Must be called within a tokio runtime.
pub(super) fn start(
    requests: RingBuf<MapData>,
    ledger: Arc<Ledger>,
    handler: Arc<dyn Handler>,
) -> io::Result<oneshot::Receiver<io::Error>> {
    let (failed, failure) = oneshot::channel();
    let runtime = Handle::current();
    thread::Builder::new()
        .name("sockvs-receiver".to_owned())
        .spawn(move || {
            do_not_interrupt();
            privileges::keep_needed();
            let _runtime = runtime.enter();
            // Nobody may be there any more to hear of it.
            let _ = failed.send(serve(requests, &ledger, handler.as_ref()));
        })?;
    Ok(failure)
}

fn serve(mut requests: RingBuf<MapData>, ledger: &Arc<Ledger>, handler: &dyn Handler) -> io::Error {
    loop {
        while let Some(record) = requests.next() {
            // At any time it is in the ring buffer, or in the ledger, or answered.
            let answered = ledger.enter(&record);
            let bytes = record.to_vec();
            drop(record);
            match record::decode(&bytes) {
                Some((request, datagram)) => handler.datagram(request, datagram, answered),
                None => tracing::warn!(length = bytes.len(), "the hook sent something unknown"),
            }
        }
        let mut ring = [PollFd::new(requests.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ring, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return errno.into(),
        }
    }
}
