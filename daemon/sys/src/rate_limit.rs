//! Limits the rate of log lines that clients can cause.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The least time between two lines.
const PERIOD: Duration = Duration::from_secs(1);

/// Admits one line per period, and counts those that it suppresses.
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
    /// A limit with no line written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(State {
            last: None,
            left_out: 0,
        }))
    }

    /// Whether the line may be written now; if so, how many were suppressed since the last one.
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

/// A separate limit for each key, so that lines about one key do not suppress those about another.
#[derive(Debug)]
pub struct RateLimits<K> {
    period: Duration,
    last: Mutex<HashMap<K, Instant>>,
}

/// How many keys are tracked. While there are more, lines about further keys are suppressed.
const MOST_KEYS: usize = 1024;

impl<K: Eq + Hash> RateLimits<K> {
    /// A limit of one line per key in every `period`.
    pub fn new(period: Duration) -> Self {
        Self {
            period,
            last: Mutex::default(),
        }
    }

    /// Whether a line about this key may be written now.
    pub fn admit(&self, who: K) -> Option<()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: &Instant| at.elapsed() < self.period;
        if last.get(&who).is_some_and(recent) {
            return None;
        }
        if last.len() >= MOST_KEYS {
            last.retain(|_, at| recent(at));
        }
        if last.len() >= MOST_KEYS {
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
    fn a_line_about_one_key_does_not_suppress_that_of_another() {
        let limits = RateLimits::new(PERIOD);
        assert!(limits.admit(1).is_some() && limits.admit(1).is_none());
        assert!(limits.admit(2).is_some());
        for many in 3..10_000 {
            limits.admit(many);
        }
        assert_eq!(limits.last.lock().unwrap().len(), MOST_KEYS);
        limits.last.lock().unwrap().clear();
        assert!(limits.admit(1).is_some());
    }
}
