//! Requests that wait for the next daemon.
//!
//! keepalived says each thing once: a server that it removes while the daemon is being started again
//! would stay for good. So requests of commands that were served before wait for a moment. Where no
//! daemon ever was, and where none comes back, there is nothing to wait for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::job::Job;

/// How long a daemon may be away. A service manager starts it again in less than a second.
const LONGEST: Duration = Duration::from_secs(5);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(50);

/// A call, and the messages that are next.
pub(super) struct Waiting {
    pub(super) job: Job,
    pub(super) messages: Vec<u8>,
}

/// What waits.
#[derive(Default)]
pub(super) struct Patience {
    /// Whether there was a daemon, and it is not given up.
    served: bool,
    waiting: VecDeque<Waiting>,
    until: Option<Instant>,
}

impl Patience {
    /// There is a daemon.
    pub(super) fn served(&mut self) {
        self.served = true;
        self.until = None;
    }

    /// Has a call wait, or gives it back if there is nothing to wait for.
    pub(super) fn wait(&mut self, call: Waiting) -> Result<(), Waiting> {
        if !self.served {
            return Err(call);
        }
        self.until.get_or_insert_with(|| Instant::now() + LONGEST);
        self.waiting.push_back(call);
        Ok(())
    }

    /// When to look for the daemon again; never, if nothing waits.
    pub(super) fn pause(&self) -> Option<Duration> {
        (!self.waiting.is_empty()).then_some(PAUSE)
    }

    /// Bytes that waiting calls hold.
    pub(super) fn weight(&self) -> usize {
        self.waiting.iter().map(|call| call.job.weight).sum()
    }

    /// Gives up the daemon, if it has been away for too long.
    pub(super) fn lose(&mut self) -> bool {
        let lost = self.until.is_some_and(|until| Instant::now() >= until);
        if lost {
            self.served = false;
            self.until = None;
        }
        lost
    }

    /// All that waits.
    pub(super) fn take(&mut self) -> VecDeque<Waiting> {
        std::mem::take(&mut self.waiting)
    }
}
