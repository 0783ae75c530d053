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
