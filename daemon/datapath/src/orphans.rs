//! Connections whose destination was deleted. They live on, unless their namespace wants them to
//! end (`expire_nodest_conn`).
//!
//! Only sockets that are connected can be ended. The datagrams of others go to another destination
//! by themselves.

use std::{io, sync::Once};

use super::{MapPath, destroy::destroy, live::LiveDestination};
use sockvs_ipvs::Namespace;

/// The kernel's lack of a way to end connections is told once.
static UNSUPPORTED: Once = Once::new();

impl MapPath {
    /// Ends the connections to those of these records whose destinations were deleted, if the
    /// namespace wants that.
    pub(super) fn end_orphans(&self, ns: Namespace, records: impl IntoIterator<Item = u32>) {
        if !self.common.expire_nodest(ns) {
            return;
        }
        let mut deleted = records.into_iter().filter(|index| {
            LiveDestination::at(&self.destination_records, *index)
                .is_some_and(LiveDestination::is_lingering)
        });
        let Some(first) = deleted.next() else {
            return;
        };
        let deleted: Vec<u32> = std::iter::once(first).chain(deleted).collect();
        if let Err(error) = self.end_connections(ns, &deleted) {
            if error.kind() == io::ErrorKind::Unsupported {
                UNSUPPORTED.call_once(|| {
                    tracing::warn!("expire_nodest_conn has no effect: this kernel cannot end connections (it takes CONFIG_INET_DIAG_DESTROY)");
                });
            } else {
                tracing::warn!(namespace = ns.0, %error, "connections to deleted servers live on");
            }
        }
    }

    /// The same for all destinations that were ever deleted.
    pub(super) fn end_all_orphans(&self, ns: Namespace) {
        self.end_orphans(ns, 0..self.destination_records.len());
    }

    fn end_connections(&self, ns: Namespace, deleted: &[u32]) -> io::Result<()> {
        let walk = self.walk.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let mut connections = walk.borrow_mut().connected()?;
        connections.retain(|live| {
            deleted.contains(&live.tuple.destination) && self.service_namespace(live) == ns
        });
        destroy(&connections)?;
        tracing::debug!(
            namespace = ns.0,
            connections = connections.len(),
            "ended, because their servers were deleted"
        );
        Ok(())
    }
}
