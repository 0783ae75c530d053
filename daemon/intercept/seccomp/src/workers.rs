//! The threads that process calls.
//!
//! Each receives one call from the listener, processes it, and receives the next. There is always
//! one more thread that waits for a call: a caller that blocks a thread forever (with memory that
//! is never readable, or a socket that lingers) delays no other caller. The threads that one
//! process, and all users except root, can block are limited; calls beyond the limit go to the
//! kernel without being checked.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::process;

/// The most threads. Beyond that, calls wait for one.
const MOST_THREADS: usize = 768;
/// The most threads that callers may keep busy, and the most for callers other than root.
const MOST_BUSY: usize = 256;
const MOST_BUSY_OF_OTHERS: usize = 192;
/// While fewer are busy, the callers are not checked.
const FEW: usize = 8;
/// A thread that has been busy for this long is stuck. One process may have this many stuck
/// threads.
const STUCK: Duration = Duration::from_millis(200);
const MOST_STUCK_OF_ONE: usize = 4;
/// How many idle threads are kept.
const KEPT: usize = 4;
/// The threads' call stacks are not deep.
const STACK: usize = 256 << 10;

/// The function that each thread calls repeatedly.
type Work = Arc<dyn Fn() + Send + Sync>;

/// The threads.
#[derive(Default)]
pub(super) struct Workers {
    state: Mutex<State>,
    /// Signalled when a thread becomes idle.
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

/// A thread that processes a call.
struct Busy {
    tid: libc::pid_t,
    whose: Option<Whose>,
    /// Since when it may be waiting for its caller; `None` while it waits for the daemon.
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

/// A call that a thread processes.
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

    /// A thread has received a call of this caller. `None` if the caller keeps too many threads
    /// busy.
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

    /// Whether there is one thread too many, so that the calling thread has to end.
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
    /// Starts one more thread, if possible. Otherwise the calling thread will receive the next call
    /// itself, after this one.
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

    /// Whether the caller's own threads are stuck, so that waiting for one is useless.
    fn has_stuck_enough(&mut self, caller: Whose) -> bool {
        let stuck = self.busy.values_mut().filter(|busy| busy.is_stuck());
        let own = stuck.filter_map(|busy| (busy.whose() == caller).then_some(()));
        own.count() >= MOST_STUCK_OF_ONE
    }
}

impl Turn<'_> {
    /// Runs `act`, which waits for the daemon; that time is not counted against the caller.
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
    fn a_process_with_too_many_stuck_threads_gets_no_more_but_others_do() {
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
    fn root_has_threads_left_when_other_users_have_used_theirs() {
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
