//! The threads that work on calls.
//!
//! Each takes one call from the listener, works on it until it is over, and takes the next. There
//! is always one more that waits for a call: a caller that keeps a thread busy for ever (with
//! memory that is never there, or a socket that lingers) keeps nobody else waiting. But there is a
//! limit to how many threads one process, and all but root, can keep; the calls beyond it go to the
//! kernel unseen.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::process;

/// The most threads. Beyond, calls wait for one.
const MOST_THREADS: usize = 768;
/// The most that callers may keep busy, and the most for those who are not root.
const MOST_BUSY: usize = 256;
const MOST_BUSY_OF_OTHERS: usize = 192;
/// As long as fewer are busy, nobody looks whose calls they work on.
const FEW: usize = 8;
/// A thread is stuck when it has been busy for so long. One process may have so many of them.
const STUCK: Duration = Duration::from_millis(200);
const MOST_STUCK_OF_ONE: usize = 4;
/// How many idle threads are kept.
const KEPT: usize = 4;
/// Calls are not deep.
const STACK: usize = 256 << 10;

/// What each thread does again and again.
type Work = Arc<dyn Fn() + Send + Sync>;

/// The threads.
#[derive(Default)]
pub(super) struct Workers {
    state: Mutex<State>,
    /// One has become idle.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    work: Option<Work>,
    threads: usize,
    idle: usize,
    busy: BTreeMap<u64, Busy>,
    last: u64,
}

/// A thread that works on a call.
struct Busy {
    tid: libc::pid_t,
    whose: Option<Whose>,
    /// Since when it may be waiting for its caller; none while it waits for the daemon.
    since: Option<Instant>,
}

/// A caller's process and user.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Whose {
    process: libc::pid_t,
    user: libc::uid_t,
}

impl Whose {
    fn of(tid: libc::pid_t) -> Self {
        Self {
            process: process::group(tid).unwrap_or(tid),
            user: process::user_and_capability(tid).map_or(libc::uid_t::MAX, |(user, _)| user),
        }
    }
}

impl Busy {
    fn whose(&mut self) -> Whose {
        *self.whose.get_or_insert_with(|| Whose::of(self.tid))
    }

    fn is_stuck(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= STUCK)
    }
}

/// A call that a thread works on.
pub(super) struct Turn<'a> {
    workers: &'a Workers,
    number: u64,
}

impl Workers {
    /// Starts the first threads.
    pub(super) fn start(&self, work: &Work) {
        let mut state = self.state();
        state.work = Some(Arc::clone(work));
        for _ in 0..2 {
            state.add_thread();
        }
    }

    /// A thread has got a call of this caller. None is for one that keeps too many busy already.
    pub(super) fn begin(&self, tid: libc::pid_t) -> Option<Turn<'_>> {
        let mut state = self.state();
        state.idle -= 1;
        if state.idle == 0 {
            state.add_thread();
        }
        let mut whose = None;
        if state.with_callers().count() >= FEW {
            let caller = Whose::of(tid);
            whose = Some(caller);
            let deadline = Instant::now() + STUCK;
            while state.is_crowded(caller) {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() || state.has_stuck_enough(caller) {
                    drop(state);
                    self.rest();
                    return None;
                }
                let woken = self.idle.wait_timeout(state, left);
                state = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state.last += 1;
        let number = state.last;
        let since = Some(Instant::now());
        state.busy.insert(number, Busy { tid, whose, since });
        Some(Turn {
            workers: self,
            number,
        })
    }

    fn rest(&self) {
        self.state().idle += 1;
        self.idle.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the thread that asks is one too many. It has to end then.
    pub(super) fn is_one_too_many(&self) -> bool {
        let mut state = self.state();
        let too_many = state.idle > KEPT;
        if too_many {
            state.idle -= 1;
            state.threads -= 1;
        }
        too_many
    }
}

impl State {
    /// One more, if there is one to be had. The thread that wanted it to wait for the next call
    /// will do so itself otherwise, later.
    fn add_thread(&mut self) {
        let Some(work) = self.work.clone() else {
            return;
        };
        if self.threads >= MOST_THREADS {
            return;
        }
        let thread = thread::Builder::new().stack_size(STACK);
        if thread.spawn(move || work()).is_ok() {
            self.threads += 1;
            self.idle += 1;
        }
    }

    fn with_callers(&self) -> impl Iterator<Item = &Busy> {
        self.busy.values().filter(|busy| busy.since.is_some())
    }

    /// Whether there is no thread for a call of this caller now.
    fn is_crowded(&mut self, caller: Whose) -> bool {
        let busy = self.busy.values_mut().filter(|busy| busy.since.is_some());
        let (mut all, mut others, mut stuck) = (0, 0, 0);
        for busy in busy {
            let whose = busy.whose();
            all += 1;
            others += usize::from(whose.user != 0);
            stuck += usize::from(whose.process == caller.process && busy.is_stuck());
        }
        let full = all >= MOST_BUSY || (caller.user != 0 && others >= MOST_BUSY_OF_OTHERS);
        full || stuck >= MOST_STUCK_OF_ONE
    }

    /// Whether it is of no use to wait for one of the caller's own.
    fn has_stuck_enough(&mut self, caller: Whose) -> bool {
        let stuck = self.busy.values_mut().filter(|busy| busy.is_stuck());
        let own = stuck.filter_map(|busy| (busy.whose() == caller).then_some(()));
        own.count() >= MOST_STUCK_OF_ONE
    }
}

impl Turn<'_> {
    /// Does something that waits for the daemon, for which the caller is not to blame.
    pub(super) fn waiting_for_daemon<T>(&self, act: impl FnOnce() -> T) -> T {
        self.since(None);
        let result = act();
        self.since(Some(Instant::now()));
        result
    }

    fn since(&self, since: Option<Instant>) {
        if let Some(busy) = self.workers.state().busy.get_mut(&self.number) {
            busy.since = since;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.workers.state().busy.remove(&self.number);
        self.workers.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_busy(count: usize, whose: Whose, since: Option<Instant>) -> State {
        let mut state = State::default();
        for number in 0..count {
            let busy = Busy {
                tid: 1,
                whose: Some(whose),
                since,
            };
            state.busy.insert(number as u64, busy);
        }
        state
    }

    const ONE: Whose = Whose {
        process: 10,
        user: 65_534,
    };

    #[test]
    fn a_process_that_keeps_threads_busy_for_long_gets_no_more_and_others_do() {
        let long_ago = Instant::now().checked_sub(2 * STUCK);
        let mut state = with_busy(MOST_STUCK_OF_ONE, ONE, long_ago);
        assert!(state.is_crowded(ONE));
        assert!(state.has_stuck_enough(ONE));
        let another = Whose { process: 11, ..ONE };
        assert!(!state.is_crowded(another));
        let mut state = with_busy(100, ONE, Some(Instant::now()));
        assert!(!state.is_crowded(ONE), "a busy one is no stuck one");
        let mut state = with_busy(100, ONE, None);
        assert!(!state.is_crowded(ONE), "they wait for the daemon");
    }

    #[test]
    fn root_has_threads_left_when_others_have_taken_theirs() {
        let mut state = with_busy(MOST_BUSY_OF_OTHERS, ONE, Some(Instant::now()));
        let another = Whose { process: 11, ..ONE };
        assert!(state.is_crowded(another));
        let root = Whose {
            process: 12,
            user: 0,
        };
        assert!(!state.is_crowded(root));
    }
}
