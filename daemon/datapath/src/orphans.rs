//! Connections whose destination was deleted. They live on, unless their namespace wants them to
//! end (`expire_nodest_conn`).
//!
//! Only sockets that are connected can be ended. The datagrams of others go to another destination
//! by themselves.

use std::{io, sync::Once};

use sockvs_ipvs::{DestinationId, Namespace};

use super::{
    connections::{OpenConnections, service_namespace},
    destroy::destroy,
    live::LiveDestination,
    stores::{DestinationStore, ServiceStore},
};

/// The kernel's lack of a way to end connections is told once.
static UNSUPPORTED: Once = Once::new();

/// Ends the connections of a namespace's services to those of these destinations that were deleted.
pub(super) fn expire_nodest(
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
        deleted.contains(&live.origin.destination) && service_namespace(services, live) == ns
    });
    destroy(&connections)?;
    Ok(connections.len())
}
