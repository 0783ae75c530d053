//! The IPVS state of the daemon: the tables of all namespaces, the data path that they are
//! published to, and the audit log, behind one lock.
//!
//! The front ends ([`genl`](crate::genl), [`sockopt`](crate::sockopt), [`procfs`](crate::procfs),
//! [`control`](crate::control)) use it. This module depends on none of them, decodes nothing and
//! does not check what a client may change: that is done by `ipvs`.

pub(crate) mod audit_log;

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use sockvs_ipvs::{DataPath, Ipvs, Namespace, Owner, Usage};

pub use audit_log::{Actor, AuditLog, Object};

/// The tables, and the data path that they are published to.
pub struct Tables {
    /// The tables of all namespaces.
    pub ipvs: Ipvs,
    /// The data path.
    pub path: Box<dyn DataPath + Send>,
}

struct Inner {
    tables: Mutex<Tables>,
    audit_log: AuditLog,
    /// Reports how full the queues of the interceptor are.
    queues_usage: OnceLock<Box<dyn Fn() -> Vec<Usage> + Send + Sync>>,
}

/// The state. Clones share it.
#[derive(Clone)]
pub struct IpvsState {
    inner: Arc<Inner>,
}

impl IpvsState {
    /// A state with these tables.
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

    /// Locks the tables. Hold the lock only briefly.
    pub fn lock(&self) -> MutexGuard<'_, Tables> {
        // A panic under the lock may have interrupted one operation; the tables are still the best
        // information available.
        let tables = self.inner.tables.lock();
        tables.unwrap_or_else(PoisonError::into_inner)
    }

    /// The audit log.
    #[must_use]
    pub fn audit_log(&self) -> &AuditLog {
        &self.inner.audit_log
    }

    /// How much of each limited resource is in use.
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

    /// Adds the interceptor's queues to [`usage`](Self::usage).
    pub fn add_usage_of_queues(&self, usage: Box<dyn Fn() -> Vec<Usage> + Send + Sync>) {
        // At most one interceptor has queues, and it starts once.
        let _ = self.inner.queues_usage.set(usage);
    }

    /// Frees the counters of destinations that were deleted a while ago. `now` is a monotonic time
    /// with an arbitrary origin.
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

    /// Updates the rate estimates. Must be called every two seconds.
    pub fn estimate(&self) {
        let mut tables = self.lock();
        let Tables { ipvs, path } = &mut *tables;
        ipvs.estimate(path.as_mut());
    }

    /// Sets the owners of namespaces that have tables.
    pub fn set_owners(&self, owners: impl IntoIterator<Item = (Namespace, Owner)>) {
        let mut tables = self.lock();
        for (ns, owner) in owners {
            if let Err(full) = tables.path.begin_namespace(ns, owner) {
                tracing::warn!(
                    namespace = ns.0, %owner, %full,
                    "its table is not counted for its owner"
                );
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
