//! The log of changes: one line for each, with the process that made it.
//!
//! A client that makes very many changes gets a limited number of lines in a period, and at the end
//! of the period one that counts the rest, so no client can fill the log or hide the changes of
//! another one. The lines are divided among the owners of network namespaces: namespaces of the
//! initial user namespace have their own lines, which others cannot use up, and each of the other
//! owners has a few.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt, fs,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sockvs_ipvs::{DestinationKey, Namespace, Owner, ServiceKey, Usage};

/// The most lines in a period of one process, and of all network namespaces of the initial user
/// namespace.
const MOST_OF_ONE: u64 = 100;
const MOST: usize = 1000;
/// The most lines in a period of another owner, and the most such owners that get any.
const MOST_OF_OWNER: usize = 50;
const MOST_OWNERS: usize = 20;

/// Who makes a change.
#[derive(Clone, Copy, Debug)]
pub struct Actor {
    /// The process; 0 if it is unknown.
    pub pid: i32,
    /// The network namespace that is changed.
    pub namespace: Namespace,
    /// The namespace's owner.
    pub owner: Owner,
}

/// The object of a change, if it is not the namespace as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Object {
    /// The service.
    pub service: Option<ServiceKey>,
    /// The server, for a change of a server.
    pub server: Option<DestinationKey>,
}

impl From<ServiceKey> for Object {
    fn from(service: ServiceKey) -> Self {
        Self {
            service: Some(service),
            server: None,
        }
    }
}

impl From<(ServiceKey, DestinationKey)> for Object {
    fn from((service, server): (ServiceKey, DestinationKey)) -> Self {
        Self {
            service: Some(service),
            server: Some(server),
        }
    }
}

/// The lines of this period.
#[derive(Default)]
pub struct AuditLog(Mutex<Period>);

#[derive(Default)]
struct Period {
    owners: HashMap<Owner, Page>,
    /// Changes of owners for which there was no space in this period.
    left_out: u64,
}

/// An owner's part of a period.
struct Page {
    most: usize,
    lines: usize,
    processes: HashMap<i32, Process>,
    /// Changes of processes for which there was no space in this period.
    others: u64,
}

struct Process {
    command: String,
    logged: u64,
    left_out: u64,
}

impl AuditLog {
    /// Logs a change: `what` was done to `object`.
    pub fn changed(&self, actor: Actor, what: &dyn fmt::Debug, object: Object) {
        if let Some(command) = self.admit(actor) {
            tracing::info!(
                pid = actor.pid,
                command,
                namespace = actor.namespace.0,
                owner = (!actor.owner.is_host()).then(|| tracing::field::display(actor.owner)),
                change = ?what,
                service = object.service.map(tracing::field::display),
                server = object.server.map(tracing::field::display),
                "changed"
            );
        }
    }

    /// The command of the process if the change is to be logged; `None` if it exceeds the limit.
    fn admit(&self, actor: Actor) -> Option<String> {
        let mut period = self.period();
        let Period { owners, left_out } = &mut *period;
        let known = owners.keys().filter(|owner| !owner.is_host()).count();
        let page = match owners.entry(actor.owner) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if !actor.owner.is_host() && known >= MOST_OWNERS => {
                *left_out += 1;
                return None;
            }
            Entry::Vacant(unknown) => unknown.insert(Page::of(actor.owner)),
        };
        page.admit(actor.pid)
    }

    /// How many lines this period has, and its limit, for the status.
    pub fn usage(&self) -> Usage {
        let period = self.period();
        let lines = |others: bool| -> u64 {
            let pages = period.owners.iter();
            let pages = pages.filter(|(owner, _)| !others || !owner.is_host());
            pages.map(|(_, page)| page.lines as u64).sum()
        };
        Usage {
            of: "lines of the log in five seconds",
            used: lines(false),
            most: (MOST + MOST_OF_OWNER * MOST_OWNERS) as u64,
            others: lines(true),
        }
    }

    /// Ends a period: logs how many changes exceeded the limit, and which processes made them.
    pub fn flush(&self) {
        let period = std::mem::take(&mut *self.period());
        for (owner, page) in period.owners {
            if owner.is_host() {
                page.tell_of_processes();
            } else {
                page.tell_of_owner(owner);
            }
        }
        if period.left_out > 0 {
            let changes = period.left_out;
            tracing::info!(
                changes,
                "further owners of network namespaces changed more than is told one by one"
            );
        }
    }

    fn period(&self) -> MutexGuard<'_, Period> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Page {
    fn of(owner: Owner) -> Self {
        Self {
            most: if owner.is_host() { MOST } else { MOST_OF_OWNER },
            lines: 0,
            processes: HashMap::new(),
            others: 0,
        }
    }

    fn admit(&mut self, pid: i32) -> Option<String> {
        let known = self.processes.len();
        let process = match self.processes.entry(pid) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if known >= self.most => {
                self.others += 1;
                return None;
            }
            Entry::Vacant(unknown) => unknown.insert(Process {
                command: command(pid),
                logged: 0,
                left_out: 0,
            }),
        };
        if process.logged >= MOST_OF_ONE || self.lines >= self.most {
            process.left_out += 1;
            return None;
        }
        process.logged += 1;
        self.lines += 1;
        Some(process.command.clone())
    }

    fn tell_of_processes(self) {
        for (pid, process) in self.processes {
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
        if self.others > 0 {
            let changes = self.others;
            tracing::info!(changes, "others changed more than is told one by one");
        }
    }

    fn tell_of_owner(&self, owner: Owner) {
        let left_out = self.processes.values().map(|process| process.left_out);
        let changes = self.others + left_out.sum::<u64>();
        if changes > 0 {
            tracing::info!(%owner, changes, "changed more than is told one by one");
        }
    }
}

/// The name of a process's program; empty if the process has ended without waiting for our answer.
fn command(pid: i32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(audit_log: &AuditLog, owner: Owner, pid: i32, changes: u64) -> u64 {
        let actor = Actor {
            pid,
            namespace: Namespace(1),
            owner,
        };
        let admitted = (0..changes).filter(|_| audit_log.admit(actor).is_some());
        u64::try_from(admitted.count()).unwrap()
    }

    #[test]
    fn many_changes_of_one_process_do_not_hide_those_of_another() {
        let audit_log = AuditLog::default();
        assert_eq!(admitted(&audit_log, Owner::Host, 1, 100_000), MOST_OF_ONE);
        assert_eq!(admitted(&audit_log, Owner::Host, 2, 3), 3);
        audit_log.flush();
        assert_eq!(admitted(&audit_log, Owner::Host, 1, 1), 1);
    }

    #[test]
    fn lines_and_tracked_processes_are_limited() {
        let audit_log = AuditLog::default();
        let all = |owner| -> u64 {
            (1..5000)
                .map(|pid| admitted(&audit_log, owner, -pid, 2))
                .sum()
        };
        assert_eq!(usize::try_from(all(Owner::Host)), Ok(MOST));
        assert_eq!(
            audit_log.period().owners[&Owner::Host].processes.len(),
            MOST
        );
        let others: u64 = (0..100).map(|uid| all(Owner::User(uid))).sum();
        assert_eq!(usize::try_from(others), Ok(MOST_OF_OWNER * MOST_OWNERS));
        assert_eq!(audit_log.usage().used, audit_log.usage().most);
    }

    #[test]
    fn changes_of_a_user_do_not_hide_those_of_root_or_other_users() {
        let audit_log = AuditLog::default();
        let user = Owner::User(7);
        for pid in 1..10_000 {
            admitted(&audit_log, user, -pid, 1);
        }
        assert_eq!(admitted(&audit_log, Owner::Host, 1, 24), 24);
        assert_eq!(admitted(&audit_log, Owner::User(8), 1, 10), 10);
        assert_eq!(admitted(&audit_log, user, 1, 1), 0);
    }

    #[test]
    fn the_name_of_a_process_is_logged() {
        let own = i32::try_from(std::process::id()).unwrap();
        let name = fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(command(own), name.trim_end());
        assert_eq!(command(0), "");
    }
}
