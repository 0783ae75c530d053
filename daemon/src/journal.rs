//! The log of changes: one line for each, with who made it.
//!
//! A client that makes very many gets so many lines in a period, and at the period's end one that
//! says how many more there were; so no client fills the log or hides what another one does.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt, fs,
    sync::{Mutex, PoisonError},
};

use crate::ipvs::{DestinationKey, Namespace, ServiceKey};

/// The most lines of one process in a period, and of all.
const MOST_OF_ONE: u64 = 100;
const MOST: usize = 1000;

/// Who makes a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Author {
    /// The process; 0 if it cannot be told.
    pub(crate) pid: i32,
    /// The network namespace that is changed.
    pub(crate) namespace: Namespace,
}

/// What a change is about, beyond the namespace as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Subject {
    pub(crate) service: Option<ServiceKey>,
    pub(crate) server: Option<DestinationKey>,
}

impl From<ServiceKey> for Subject {
    fn from(service: ServiceKey) -> Self {
        Self {
            service: Some(service),
            server: None,
        }
    }
}

impl From<(ServiceKey, DestinationKey)> for Subject {
    fn from((service, server): (ServiceKey, DestinationKey)) -> Self {
        Self {
            service: Some(service),
            server: Some(server),
        }
    }
}

/// What was told in this period.
#[derive(Default)]
pub(crate) struct Journal(Mutex<Period>);

#[derive(Default)]
struct Period {
    lines: usize,
    processes: HashMap<i32, Process>,
    /// Changes of processes that came when there was no room to remember more of them.
    others: u64,
}

struct Process {
    command: String,
    told: u64,
    left_out: u64,
}

impl Journal {
    /// Tells of a change, `what` was done to `subject`.
    pub(crate) fn changed(&self, author: Author, what: &dyn fmt::Debug, subject: Subject) {
        if let Some(command) = self.admit(author.pid) {
            tracing::info!(
                pid = author.pid,
                command,
                namespace = author.namespace.0,
                change = ?what,
                service = subject.service.map(tracing::field::display),
                server = subject.server.map(tracing::field::display),
                "changed"
            );
        }
    }

    /// The command of a process whose change is to be told; none if there were too many.
    fn admit(&self, pid: i32) -> Option<String> {
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Period {
            lines,
            processes,
            others,
        } = &mut *period;
        let known = processes.len();
        let process = match processes.entry(pid) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if known >= MOST => {
                *others += 1;
                return None;
            }
            Entry::Vacant(unknown) => unknown.insert(Process {
                command: command(pid),
                told: 0,
                left_out: 0,
            }),
        };
        if process.told >= MOST_OF_ONE || *lines >= MOST {
            process.left_out += 1;
            return None;
        }
        process.told += 1;
        *lines += 1;
        Some(process.command.clone())
    }

    /// Ends a period: tells how many changes were not told, and whose.
    pub(crate) fn turn_page(&self) {
        let period = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (pid, process) in period.processes {
            if process.left_out > 0 {
                let (command, changes) = (process.command, process.left_out);
                tracing::info!(
                    pid,
                    command,
                    changes,
                    "changed more than is told one by one"
                );
            }
        }
        if period.others > 0 {
            let changes = period.others;
            tracing::info!(changes, "others changed more than is told one by one");
        }
    }
}

/// The name of a process's program, which waits for our answer; empty if it does not, and has ended.
fn command(pid: i32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(journal: &Journal, pid: i32, changes: u64) -> u64 {
        let admitted = (0..changes).filter(|_| journal.admit(pid).is_some());
        u64::try_from(admitted.count()).unwrap()
    }

    #[test]
    fn who_changes_much_does_not_hide_who_changes_little() {
        let journal = Journal::default();
        assert_eq!(admitted(&journal, 1, 100_000), MOST_OF_ONE);
        assert_eq!(admitted(&journal, 2, 3), 3);
        journal.turn_page();
        assert_eq!(admitted(&journal, 1, 1), 1);
    }

    #[test]
    fn there_is_an_end_to_what_is_told_and_remembered() {
        let journal = Journal::default();
        let admitted: u64 = (1..5000).map(|pid| admitted(&journal, -pid, 2)).sum();
        assert_eq!(usize::try_from(admitted), Ok(MOST));
        assert_eq!(journal.0.lock().unwrap().processes.len(), MOST);
    }

    #[test]
    fn a_process_is_named() {
        let own = i32::try_from(std::process::id()).unwrap();
        let name = fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(command(own), name.trim_end());
        assert_eq!(command(0), "");
    }
}
