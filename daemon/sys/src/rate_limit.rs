//! Lines of the log that somebody could bring about as often as they like.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often a line may be written.
const PERIOD: Duration = Duration::from_secs(1);

/// Lets a line through once in a while, and counts those in between.
pub struct RateLimit(Mutex<State>);

struct State {
    last: Option<Instant>,
    left_out: u64,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::new()
    }
}

impl RateLimit {
    /// Nothing was written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(State {
            last: None,
            left_out: 0,
        }))
    }

    /// Whether the line may be written now; if so, how many were not since the last one.
    pub fn admit(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| last.elapsed() < PERIOD) {
            state.left_out += 1;
            return None;
        }
        state.last = Some(Instant::now());
        Some(std::mem::take(&mut state.left_out))
    }
}

/// The same for each of many who could bring a line about, so that none of them hides what is told
/// of another.
#[derive(Debug)]
pub struct RateLimits<K> {
    period: Duration,
    last: Mutex<HashMap<K, Instant>>,
}

/// How many are told apart. While there are more, nothing is told of the rest.
const MOST_TOLD_APART: usize = 1024;

impl<K: Eq + Hash> RateLimits<K> {
    /// A line of each in every `period`.
    pub fn new(period: Duration) -> Self {
        Self {
            period,
            last: Mutex::default(),
        }
    }

    /// Whether a line about this one may be written now.
    pub fn admit(&self, who: K) -> Option<()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: &Instant| at.elapsed() < self.period;
        if last.get(&who).is_some_and(recent) {
            return None;
        }
        if last.len() >= MOST_TOLD_APART {
            last.retain(|_, at| recent(at));
        }
        if last.len() >= MOST_TOLD_APART {
            return None;
        }
        last.insert(who, Instant::now());
        Some(())
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

    #[test]
    fn a_line_of_one_does_not_keep_that_of_another_back() {
        let limits = RateLimits::new(PERIOD);
        assert!(limits.admit(1).is_some() && limits.admit(1).is_none());
        assert!(limits.admit(2).is_some());
        for many in 3..10_000 {
            limits.admit(many);
        }
        assert_eq!(limits.last.lock().unwrap().len(), MOST_TOLD_APART);
        limits.last.lock().unwrap().clear();
        assert!(limits.admit(1).is_some());
    }
}
