//! Lines of the log that somebody could bring about as often as they like.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often a line may be written.
const PERIOD: Duration = Duration::from_secs(1);

/// Lets a line through once in a while, and counts those in between.
pub(crate) struct RateLimit(Mutex<State>);

struct State {
    last: Option<Instant>,
    left_out: u64,
}

impl RateLimit {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State {
            last: None,
            left_out: 0,
        }))
    }

    /// Whether the line may be written now; if so, how many were not since the last one.
    pub(crate) fn admit(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| last.elapsed() < PERIOD) {
            state.left_out += 1;
            return None;
        }
        state.last = Some(Instant::now());
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_written_and_the_next_says_how_many_were_not() {
        let limit = RateLimit::new();
        assert_eq!(limit.admit(), Some(0));
        assert!((0..5).all(|_| limit.admit().is_none()));
        limit.0.lock().unwrap().last = None;
        assert_eq!(limit.admit(), Some(5));
    }
}
