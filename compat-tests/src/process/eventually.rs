//! Waiting for something that others bring about in their own time.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until it is as it should be, and tells how long that took. `look` says what is wrong.
///
/// # Panics
///
/// When something is still wrong after `limit`.
#[track_caller]
pub fn eventually(limit: Duration, mut look: impl FnMut() -> Result<(), String>) -> Duration {
    let start = Instant::now();
    while let Err(wrong) = look() {
        assert!(start.elapsed() < limit, "still after {limit:?}: {wrong}");
        thread::sleep(PAUSE);
    }
    start.elapsed()
}

/// Does something again, up to five times, until it takes no longer than `limit`: a busy machine
/// may be slow at one moment, but what waits for something else never gets there.
///
/// # Panics
///
/// When it took longer each time.
#[track_caller]
pub fn done_within(limit: Duration, what: &str, mut act: impl FnMut()) {
    let mut took = Vec::new();
    while took.len() < 5 {
        let start = Instant::now();
        act();
        took.push(start.elapsed());
        if took.last().is_some_and(|last| *last < limit) {
            return;
        }
    }
    panic!("{what} took {took:?}, each time more than {limit:?}");
}
