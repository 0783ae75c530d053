//! Connections whose destination was deleted. They go on, unless the sysctl `expire_nodest_conn` of
//! their namespace ends them.
//!
//! Only connected sockets can be ended. Flows of unconnected sockets get another destination with
//! their next datagram.

use std::{io, sync::Once};

use sockvs_ipvs::{DestinationId, Namespace};

use crate::connections::destroy::destroy;
use crate::connections::{OpenConnections, service_namespace};
use crate::records::live::LiveDestination;
use crate::stores::{DestinationStore, ServiceStore};

/// That the kernel does not support ending connections is logged once.
static UNSUPPORTED: Once = Once::new();

/// Ends the connections of a namespace's services to those of these destinations that were deleted.
pub(crate) fn expire_nodest(
    open: &OpenConnections,
    services: &ServiceStore,
    destinations: &DestinationStore,
    ns: Namespace,
    which: impl IntoIterator<Item = DestinationId>,
) {
    let is_deleted = |id: &DestinationId| {
        let record = destinations.get(*id);
        record.is_some_and(LiveDestination::is_deleted_in_use)
    };
    let mut deleted = which.into_iter().filter(is_deleted);
    let Some(first) = deleted.next() else {
        return;
    };
    let deleted: Vec<u32> = std::iter::once(first)
        .chain(deleted)
        .map(|id| id.0)
        .collect();
    match end(open, services, ns, &deleted) {
        Ok(connections) => {
            tracing::debug!(
                namespace = ns.0,
                connections,
                "ended, because their servers were deleted"
            );
        }
        Err(error) if error.kind() == io::ErrorKind::Unsupported => UNSUPPORTED.call_once(|| {
            tracing::warn!(
                "expire_nodest_conn has no effect: this kernel cannot end connections (it takes \
                 CONFIG_INET_DIAG_DESTROY)"
            );
        }),
        Err(error) => {
            tracing::warn!(namespace = ns.0, %error, "connections to deleted servers live on");
        }
    }
}

fn end(
    open: &OpenConnections,
    services: &ServiceStore,
    ns: Namespace,
    deleted: &[u32],
) -> io::Result<usize> {
    let mut connections = open.connected()?;
    connections.retain(|live| {
        deleted.contains(&live.tuple.destination) && service_namespace(services, live) == ns
    });
    destroy(&connections)?;
    Ok(connections.len())
}
