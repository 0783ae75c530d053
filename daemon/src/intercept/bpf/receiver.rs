//! Reads the ring buffer, and passes on what is in it, in the order in which it was sent.

use std::{io, sync::Arc};

use aya::maps::{MapData, RingBuf};
use tokio::io::{Interest, unix::AsyncFd};

use super::{Handler, ledger::Ledger, record};

/// How many datagrams are passed on before other tasks have their turn.
const AT_ONCE: usize = 64;

/// Reads the ring buffer for as long as the daemon runs.
pub(super) async fn serve(
    requests: RingBuf<MapData>,
    ledger: Arc<Ledger>,
    handler: Arc<dyn Handler>,
) -> io::Error {
    // SAFETY: the ring buffer owns its descriptor, and keeps it open and the same for as long as it
    // lives.
    let ring = unsafe { AsyncFd::register_with_interest(requests, Interest::READABLE) };
    let mut ring = match ring {
        Ok(ring) => ring,
        Err(error) => return error.into(),
    };
    loop {
        let mut ready = match ring.readable_mut().await {
            Ok(ready) => ready,
            Err(error) => return error,
        };
        let mut left = AT_ONCE;
        while left > 0 {
            let Some(record) = ready.get_inner_mut().next() else {
                ready.clear_ready();
                break;
            };
            // At any time it is in the ring buffer, or in the ledger, or answered.
            let answered = ledger.enter(&record);
            let bytes = record.to_vec();
            drop(record);
            match record::decode(&bytes) {
                Some((request, datagram)) => handler.datagram(request, datagram, answered),
                None => tracing::warn!(length = bytes.len(), "the hook sent something unknown"),
            }
            left -= 1;
        }
        tokio::task::yield_now().await;
    }
}
