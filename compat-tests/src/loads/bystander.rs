//! A client that asks for little, again and again, while others ask for much.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::setups::testbed::Testbed;

/// How long it waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an answer may take. No measure of speed: with this one says that it is served at all.
const LIMIT: Duration = Duration::from_secs(5);

/// The client, on a thread of its own.
pub struct Bystander {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

/// How long it had to wait.
pub struct Waits(Vec<Duration>);

impl Bystander {
    /// Starts one, whose socket is open when this returns.
    ///
    /// # Panics
    ///
    /// When it is not served.
    #[must_use]
    #[track_caller]
    pub fn start(testbed: &Testbed) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut client = testbed.talk("sockvs-neli-client");
        client.must("-L --timeout");
        let thread = {
            let over = Arc::clone(&over);
            thread::spawn(move || {
                let mut waits = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    client.must("-L --timeout");
                    waits.push(asked.elapsed());
                    thread::sleep(PAUSE);
                }
                waits
            })
        };
        Self { over, thread }
    }

    /// Ends it. Each of its questions must have been answered before long.
    ///
    /// # Panics
    ///
    /// When one was not.
    #[must_use]
    #[track_caller]
    pub fn end(self) -> Waits {
        self.over.store(true, Ordering::Relaxed);
        let mut waits = self.thread.join().expect("the bystander is served");
        waits.sort_unstable();
        let waits = Waits(waits);
        assert!(waits.0.last() < Some(&LIMIT), "{waits}");
        waits
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (times, half) = (self.0.len(), self.0.get(self.0.len() / 2));
        let longest = self.0.last().copied().unwrap_or_default();
        write!(
            f,
            "a bystander was answered {times} times, \
             within {:?} half of them, within {longest:?} all",
            half.copied().unwrap_or_default()
        )
    }
}
