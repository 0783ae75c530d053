//! sockvs: a daemon in the client's namespace, for the client's cgroup.

use std::{fs, thread, time::Duration};

use compat_tests::{Client, Daemon, Intercept, Place};

use super::{
    balancer::{Balancer, Balancing, Guard, Refusal},
    ipvs::{Method, load, rules},
};
use crate::{lab::Lab, services::Services};

pub(crate) const NAME: &str = "sockvs";

pub(super) struct Sockvs(pub(super) Intercept);

impl Balancer for Sockvs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn balance(&self, lab: &Lab, services: Services) -> Result<Guard, Refusal> {
        let (daemon, client) = start(lab, self.0);
        load(&client, &lab.folder, rules(services, Method::Masquerading))?;
        Ok(Box::new(daemon))
    }
}

impl Balancing for Daemon {
    fn rest(&self) {
        self.freeze();
    }

    fn go_on(&self) {
        self.thaw();
        // First it makes up for what it has missed.
        thread::sleep(Duration::from_millis(100));
    }

    fn period(&self) -> Duration {
        // Templates are swept every second, rates estimated every other.
        Duration::from_secs(2)
    }

    fn processor_time(&self) -> Option<Duration> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).ok()?;
        let times = threads.filter_map(|thread| {
            // The first number is nanoseconds; a thread may be gone by now.
            let told = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            told.split(' ').next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(times.sum()))
    }
}

/// Starts a daemon, which logs as much as one in production, and says how to reach it.
pub(crate) fn start(lab: &Lab, intercept: Intercept) -> (Daemon, Client) {
    let place = Place::new(&lab.client);
    let daemon = Daemon::start_logging("info", place, &lab.cgroup, &lab.folder, intercept, &[]);
    let client = Client::new(lab.client_place(), daemon.socket().to_owned(), intercept);
    (daemon, client)
}
