//! The interface between the tables and the data path. The `datapath` crate implements it; tests
//! have a fake. It decides nothing.

use super::{
    Connection, DestinationId, DestinationReading, Namespace, Owner, Service, ServiceId, Settings,
    Stats, SyncDaemon, SyncState, Timeouts,
};

/// Publishes the table's changes to connections, and reads their counters.
pub trait DataPath {
    /// Registers the namespace's owner before the namespace gets a table, or afterwards. The data
    /// path's capacity is divided among owners.
    ///
    /// # Errors
    ///
    /// When the owner may not have another table.
    fn begin_namespace(&mut self, ns: Namespace, owner: Owner) -> Result<(), DataPathFull>;

    /// Allocates an id for a service that is about to be added to this namespace's table. It is
    /// freed when the service is withdrawn, or could not be published.
    ///
    /// # Errors
    ///
    /// When there is no space for another service.
    fn alloc_service_id(&mut self, ns: Namespace) -> Result<ServiceId, DataPathFull>;

    /// Allocates an id for a destination that is about to be added to this namespace's table. It is
    /// not reused until [`DataPath::free_destination_id`]. Its counters are zero.
    ///
    /// # Errors
    ///
    /// When there is no space for another destination.
    fn alloc_destination_id(&mut self, ns: Namespace) -> Result<DestinationId, DataPathFull>;

    /// Makes new connections use the current state of `service`, including its destinations.
    ///
    /// This is atomic: no connection may see a part of a change, and after an error connections go
    /// on as before. The table then reverts its own change.
    ///
    /// # Errors
    ///
    /// When there is no space for the change.
    fn publish(
        &mut self,
        ns: Namespace,
        service: &Service,
        cause: Cause,
    ) -> Result<(), DataPathFull>;

    /// Withdraws the service from new connections. Its id and counters are freed; those of its
    /// destinations are kept until [`Table::expire_trash`](super::Table::expire_trash) returns
    /// them.
    fn withdraw(&mut self, ns: Namespace, service: &Service);

    /// Sets the namespace's timeouts and sysctls.
    fn configure(&mut self, ns: Namespace, timeouts: &Timeouts, settings: &Settings);

    /// Sets the namespace's sync daemon of this state; `None` if it was stopped.
    fn set_sync_daemon(&mut self, ns: Namespace, state: SyncState, daemon: Option<&SyncDaemon>);

    /// Zeroes the counters and rates of the service and its destinations.
    fn zero(&mut self, ns: Namespace, service: &Service);

    /// Zeroes those of a deleted destination, before another service gets it.
    fn zero_destination(&mut self, id: DestinationId);

    /// Updates the rates of these services, which are all services, and of their destinations. Must
    /// be called every two seconds.
    fn estimate(&mut self, services: &mut dyn Iterator<Item = &Service>);

    /// Removes a namespace that has ended, after its services were withdrawn.
    fn forget_namespace(&mut self, ns: Namespace);

    /// Frees the id and counters of a destination that was deleted
    /// ([`Table::expire_trash`](super::Table::expire_trash) returned it), or could not be added.
    fn free_destination_id(&mut self, id: DestinationId);

    /// The service's counters since it was added or zeroed, and its current rates.
    fn service_stats(&self, ns: Namespace, id: ServiceId) -> Stats;

    /// The destination's current connections, its counters since it was added or zeroed, and its
    /// rates. Works for deleted destinations, too, as long as they are in the trash.
    fn destination_reading(&self, ns: Namespace, id: DestinationId) -> DestinationReading;

    /// How much of each limited resource is in use.
    fn usage(&self) -> Vec<Usage> {
        Vec::new()
    }

    /// The open connections of all namespaces, in no particular order. Empty if the data path does
    /// not support it.
    fn connections(&self) -> Vec<Connection> {
        Vec::new()
    }
}

/// How much of a limited resource is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The name of the resource, for the status.
    pub of: &'static str,
    /// How many are in use.
    pub used: u64,
    /// The limit.
    pub most: u64,
    /// How many of those in use belong to owners other than the initial user namespace.
    pub others: u64,
}

/// Why a service is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is new, and has no destinations yet.
    ServiceAdded,
    /// Its own configuration was changed.
    ServiceEdited {
        /// Whether the scheduler was changed, so that its state is reset.
        rebound: bool,
    },
    /// It has one destination more.
    DestinationAdded(DestinationId),
    /// One destination's configuration was changed.
    DestinationEdited(DestinationId),
    /// It has one destination fewer.
    DestinationDeleted {
        /// The destination.
        id: DestinationId,
        /// The destination that preceded it in the list.
        behind: Option<DestinationId>,
    },
}

/// Why the data path refused a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataPathFull {
    /// The kernel has no memory left (`ENOMEM`).
    #[error("the kernel has no memory for it")]
    NoMemory,
    /// A map is full (`ENOSPC`).
    #[error("an eBPF map is full")]
    NoSpace,
}

impl DataPathFull {
    /// The positive error number.
    pub fn errno(self) -> i32 {
        match self {
            Self::NoMemory => libc::ENOMEM,
            Self::NoSpace => libc::ENOSPC,
        }
    }
}
