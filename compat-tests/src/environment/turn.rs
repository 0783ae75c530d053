//! Turns: tests run side by side, but a daemon that takes the requests of all namespaces takes
//! those of other tests, too.

use std::fs::File;

use nix::fcntl::{Flock, FlockArg};

use crate::environment::intercept::Intercept;

/// Where all tests find the same lock, and none leaves a file behind.
const PLACE: &str = "/sys/fs/bpf";

/// A test's turn. It lasts until this is dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: Option<Flock<File>>,
}

impl Turn {
    /// Beside others.
    #[must_use]
    pub fn shared(intercept: Intercept) -> Self {
        Self::take(intercept, FlockArg::LockShared)
    }

    /// Alone, where that matters.
    #[must_use]
    pub fn alone(intercept: Intercept) -> Self {
        Self::take(intercept, FlockArg::LockExclusive)
    }

    fn take(intercept: Intercept, how: FlockArg) -> Self {
        // Under `sockvs exec`, each client says which daemon it means.
        let lock = (intercept == Intercept::Bpf).then(|| {
            let place = File::open(PLACE).expect("the BPF file system is mounted");
            Flock::lock(place, how).unwrap_or_else(|(_, errno)| panic!("no turn: {errno}"))
        });
        Self { _lock: lock }
    }
}
