//! Reports how full the ring buffers are, and warns when they are nearly full.

use std::{io, os::fd::OwnedFd, time::Duration};

use super::peek::Peek;
use sockvs_ipvs::Usage;
use sockvs_sys::rate_limit::RateLimits;

/// The least time between two equal warnings.
const WARNED_AGAIN: Duration = Duration::from_secs(300);

/// The two ring buffers.
pub(super) struct Queues {
    requests: Peek,
    others: Peek,
    nearly_full: RateLimits<&'static str>,
    full: RateLimits<&'static str>,
}

impl Queues {
    pub(super) fn open(requests: OwnedFd, others: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            requests: Peek::open(requests)?,
            others: Peek::open(others)?,
            nearly_full: RateLimits::new(WARNED_AGAIN),
            full: RateLimits::new(WARNED_AGAIN),
        })
    }

    /// How much is in use.
    pub(super) fn usage(&self) -> Vec<Usage> {
        let usage = |of, ring: &Peek, others: bool| {
            let (used, most) = ring.fill();
            Usage {
                of,
                used: used as u64,
                most: most as u64,
                others: if others { used as u64 } else { 0 },
            }
        };
        vec![
            usage(
                "bytes of the administrators' request queue",
                &self.requests,
                false,
            ),
            usage("bytes of the others' request queue", &self.others, true),
        ]
    }

    /// Warns if a ring buffer is nearly full.
    pub(super) fn warn(&self) {
        for Usage { of, used, most, .. } in self.usage() {
            // A record of the largest size no longer fits.
            if used * 8 >= most * 7 && self.full.admit(of).is_some() {
                tracing::warn!("requests to IPVS are refused: {used} of {most} {of} are in use");
            } else if used * 5 >= most * 4 && self.nearly_full.admit(of).is_some() {
                tracing::warn!("four fifths of the {of} are in use: {used} of {most}");
            }
        }
    }
}
