//! The IPVS state of the daemon: the tables of all namespaces, the data path that they are
//! published to, and the audit log, behind one lock.
//!
//! The front ends ([`genl`](crate::genl), [`sockopt`](crate::sockopt), [`procfs`](crate::procfs),
//! [`control`](crate::control)) stand side by side over it. It knows none of them, decodes nothing
//! and decides nothing about what a client may change: that is `ipvs`.

pub(crate) mod audit_log;

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use sockvs_ipvs::{DataPath, Ipvs, Namespace, Owner, Usage};

pub use audit_log::{Actor, AuditLog, Object};

/// The tables, and what they are published to.
pub struct Tables {
    /// The tables of all namespaces.
    pub ipvs: Ipvs,
    /// Where connections find them.
    pub path: Box<dyn DataPath + Send>,
}

struct Inner {
    tables: Mutex<Tables>,
    audit_log: AuditLog,
    /// What tells how full the queues are that requests come from.
    queues_usage: OnceLock<Box<dyn Fn() -> Vec<Usage> + Send + Sync>>,
}

/// The state. Clones are the same one.
#[derive(Clone)]
pub struct IpvsState {
    inner: Arc<Inner>,
}

impl IpvsState {
    /// The state with these tables.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        Self {
            inner: Arc::new(Inner {
                tables: Mutex::new(tables),
                audit_log: AuditLog::default(),
                queues_usage: OnceLock::new(),
            }),
        }
    }

    /// The tables, for a short while.
    pub fn lock(&self) -> MutexGuard<'_, Tables> {
        // A panic while the lock was held may have left one operation undone; the tables are still
        // the best knowledge there is.
        let tables = self.inner.tables.lock();
        tables.unwrap_or_else(PoisonError::into_inner)
    }

    /// Where changes are logged.
    #[must_use]
    pub fn audit_log(&self) -> &AuditLog {
        &self.inner.audit_log
    }

    /// How much is in use of what there is a limit to.
    #[must_use]
    pub fn usage(&self) -> Vec<Usage> {
        let mut usage = self.lock().path.usage();
        usage.push(self.audit_log().usage());
        usage.extend(
            self.inner
                .queues_usage
                .get()
                .into_iter()
                .flat_map(|of| of()),
        );
        usage
    }

    /// From now on [`usage`](Self::usage) has this, too: the queues that requests come from.
    pub fn add_usage_of_queues(&self, usage: Box<dyn Fn() -> Vec<Usage> + Send + Sync>) {
        // There is one interceptor with queues, and it starts once.
        let _ = self.inner.queues_usage.set(usage);
    }

    /// Frees the counters of destinations that were deleted a while ago. `now` counts from any fixed
    /// moment.
    pub fn expire_trash(&self, now: Duration) {
        let mut tables = self.lock();
        let Tables { ipvs, path } = &mut *tables;
        let namespaces: Vec<_> = ipvs.namespaces().collect();
        for ns in namespaces {
            let table = ipvs.table_mut(ns);
            if table.has_trash() {
                for destination in table.expire_trash(now, path.as_ref()) {
                    path.free_destination_id(destination);
                }
            }
        }
    }

    /// Estimates the rates anew. To be called every two seconds.
    pub fn estimate(&self) {
        let mut tables = self.lock();
        let Tables { ipvs, path } = &mut *tables;
        ipvs.estimate(path.as_mut());
    }

    /// The namespaces, which have tables, belong to these owners.
    pub fn set_owners(&self, owners: impl IntoIterator<Item = (Namespace, Owner)>) {
        let mut tables = self.lock();
        for (ns, owner) in owners {
            if let Err(full) = tables.path.begin_namespace(ns, owner) {
                tracing::warn!(namespace = ns.0, %owner, %full, "its table counts as nobody's");
            }
        }
    }

    /// Removes the table of a network namespace that has ended.
    pub fn remove_namespace(&self, ns: Namespace) {
        let mut tables = self.lock();
        let Tables { ipvs, path } = &mut *tables;
        ipvs.forget(ns, path.as_mut());
        tracing::debug!(namespace = ns.0, "the network namespace has ended");
    }
}
