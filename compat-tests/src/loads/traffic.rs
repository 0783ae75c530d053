//! Connections at full speed for as long as a test lasts, and what was wrong with them.

use std::{fmt, sync::Mutex};

use nix::time::{ClockId, clock_gettime};

use crate::{
    clients::application::{Application, Attempt},
    setups::testbed::Testbed,
};

/// How many threads connect to each service.
const THREADS: usize = 1;
/// How many of the things that are wrong are told.
const TOLD: usize = 5;

/// Now, in nanoseconds of the clock that attempts are timed by.
///
/// # Panics
///
/// When there is no such clock.
#[must_use]
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("there is a clock");
    u64::try_from(now.tv_sec() * 1_000_000_000 + now.tv_nsec()).expect("after the start")
}

/// When which servers must not be reached. Shared with those who remove them.
#[derive(Debug, Default)]
pub struct Absences(Mutex<Vec<(String, u64, u64)>>);

impl Absences {
    /// From now on the server of this name must not be reached: its removal is done.
    ///
    /// # Panics
    ///
    /// When another thread has panicked.
    pub fn begin(&self, name: &str) {
        let mut all = self.0.lock().expect("no thread panicked");
        all.push((name.to_owned(), now(), u64::MAX));
    }

    /// From now on it may be reached again: its return is about to be asked for.
    ///
    /// # Panics
    ///
    /// When another thread has panicked.
    pub fn end(&self, name: &str) {
        let mut all = self.0.lock().expect("no thread panicked");
        let open = all
            .iter_mut()
            .filter(|(absent, _, until)| absent == name && *until == u64::MAX);
        open.for_each(|(_, _, until)| *until = now());
    }

    fn of(&self, name: &str, attempt: &Attempt) -> bool {
        let all = self.0.lock().expect("no thread panicked");
        all.iter().any(|(absent, from, until)| {
            absent == name && attempt.started > *from && attempt.ended < *until
        })
    }

    /// Those that ended long ago concern no attempt that is still to be judged.
    fn forget_before(&self, time: u64) {
        let mut all = self.0.lock().expect("no thread panicked");
        all.retain(|(_, _, until)| *until > time);
    }
}

/// What came of all connections.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many were made.
    pub made: u64,
    /// How many failed.
    pub failed: u64,
    /// How many reached a server that is not the service's, or was not there at the time.
    pub wrong: u64,
    /// Some of what was wrong.
    examples: Vec<String>,
}

impl Tally {
    fn tell(&mut self, example: impl FnOnce() -> String) {
        if self.examples.len() < TOLD {
            self.examples.push(example());
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            made,
            failed,
            wrong,
            ..
        } = self;
        write!(
            f,
            "connects: {made}\nfailed connects: {failed}\nwrong server: {wrong}"
        )?;
        self.examples
            .iter()
            .try_for_each(|example| write!(f, "\n  {example}"))
    }
}

/// A service that is connected to.
#[derive(Debug)]
struct Lane {
    service: String,
    /// The servers that it may ever have.
    servers: Vec<String>,
    application: Application,
    made: u64,
}

/// The connections to some services.
#[derive(Debug, Default)]
pub struct Traffic {
    lanes: Vec<Lane>,
    tally: Tally,
}

impl Traffic {
    /// Begins to connect to a service, whose servers have these names.
    pub fn begin(&mut self, testbed: &Testbed, service: &str, servers: &[String]) {
        let mut application = testbed.application();
        application.hammer(service, THREADS);
        self.lanes.push(Lane {
            service: service.to_owned(),
            servers: servers.to_vec(),
            application,
            made: 0,
        });
    }

    /// Judges what happened since the last time. The connecting goes on.
    ///
    /// # Panics
    ///
    /// When a program is gone.
    pub fn look(&mut self, absences: &Absences) -> &Tally {
        let since = now();
        for lane in &mut self.lanes {
            let attempts = lane.application.rest();
            lane.application.hammer(&lane.service, THREADS);
            lane.judge(&attempts, absences, &mut self.tally);
        }
        absences.forget_before(since);
        &self.tally
    }

    /// Ends it: what came of all, and how many connections each service got.
    ///
    /// # Panics
    ///
    /// When a program is gone.
    #[must_use]
    pub fn end(mut self, absences: &Absences) -> (Tally, Vec<(String, u64)>) {
        for lane in &mut self.lanes {
            let attempts = lane.application.rest();
            lane.judge(&attempts, absences, &mut self.tally);
        }
        let made = |lane: Lane| (lane.service, lane.made);
        (self.tally, self.lanes.into_iter().map(made).collect())
    }
}

impl Lane {
    fn judge(&mut self, attempts: &[Attempt], absences: &Absences, tally: &mut Tally) {
        let service = &self.service;
        for attempt in attempts {
            tally.made += 1;
            self.made += 1;
            match &attempt.reached {
                Err(errno) => {
                    tally.failed += 1;
                    tally.tell(|| format!("{service}: {errno}"));
                }
                Ok(name) => {
                    let known = self.servers.contains(name);
                    if !known || absences.of(name, attempt) {
                        tally.wrong += 1;
                        let why = if known {
                            "which was not there"
                        } else {
                            "which is another's"
                        };
                        tally.tell(|| format!("{service}: reached {name}, {why}"));
                    }
                }
            }
        }
    }
}
