//! How the table's word reaches the connections. The `datapath` module implements this; tests
//! have a fake. Nothing here decides anything.

use super::{
    Connection, DestinationId, DestinationReading, Namespace, Owner, Service, ServiceId, Settings,
    Stats, SyncDaemon, SyncState, Timeouts,
};

/// What carries the table's word to the connections, and brings back what became of them.
pub trait DataPath {
    /// The namespace belongs to this owner, and is about to have a table if it has none. What the
    /// data path has room for is shared between owners.
    ///
    /// # Errors
    ///
    /// When there is no room for another table of this owner.
    fn begin_namespace(&mut self, ns: Namespace, owner: Owner) -> Result<(), DataPathFull>;

    /// A name for a service that is about to be added to this namespace's table. It is the
    /// service's until the service is withdrawn, or was not published for want of room.
    ///
    /// # Errors
    ///
    /// When there is no room for another service.
    fn alloc_service_id(&mut self, ns: Namespace) -> Result<ServiceId, DataPathFull>;

    /// A name for a destination that is about to be added to this namespace's table. Nobody else
    /// has it until it is forgotten ([`DataPath::forget`]). Nothing was counted yet.
    ///
    /// # Errors
    ///
    /// When there is no room for another destination.
    fn alloc_destination_id(&mut self, ns: Namespace) -> Result<DestinationId, DataPathFull>;

    /// Makes new connections follow `service` as it is now, destinations included.
    ///
    /// All or nothing: no connection may see half of a change, and after an error they go on as
    /// before. The table then takes its own change back.
    ///
    /// # Errors
    ///
    /// When there is no room for the change.
    fn publish(
        &mut self,
        ns: Namespace,
        service: &Service,
        cause: Cause,
    ) -> Result<(), DataPathFull>;

    /// Ends the service for new connections. Its name and its counters may go; those of its
    /// destinations stay until [`Table::expire_trash`](super::Table::expire_trash) names them.
    fn withdraw(&mut self, ns: Namespace, service: &Service);

    /// The namespace has these timeouts and settings from now on.
    fn configure(&mut self, ns: Namespace, timeouts: &Timeouts, settings: &Settings);

    /// The namespace's sync daemon of this state is this one from now on; none runs if it was
    /// stopped.
    fn set_sync_daemon(&mut self, ns: Namespace, state: SyncState, daemon: Option<&SyncDaemon>);

    /// The counters of the service and its destinations, and their rates, start from nothing.
    fn zero(&mut self, ns: Namespace, service: &Service);

    /// Those of a deleted destination, which another service is about to get.
    fn zero_destination(&mut self, id: DestinationId);

    /// Estimates the rates of these services anew, which are all, and of their destinations. To be
    /// called every two seconds.
    fn estimate(&mut self, services: &mut dyn Iterator<Item = &Service>);

    /// The namespace is gone, and its services have been withdrawn.
    fn forget_namespace(&mut self, ns: Namespace);

    /// A destination's name and counters are no longer wanted: it was deleted
    /// ([`Table::expire_trash`](super::Table::expire_trash) named it), or could not be added.
    fn free_destination_id(&mut self, id: DestinationId);

    /// The service's counters since it was made or zeroed, and its rates now.
    fn service_stats(&self, ns: Namespace, id: ServiceId) -> Stats;

    /// The destination's connections now, its counters since it was made or zeroed, and its rates.
    /// Answers for deleted destinations too, for as long as the trash holds them.
    fn destination_reading(&self, ns: Namespace, id: DestinationId) -> DestinationReading;

    /// How much of each thing is in use, and how much there may be.
    fn usage(&self) -> Vec<Usage> {
        Vec::new()
    }

    /// The connections that are open, of all namespaces, in no order. None if it cannot tell.
    fn connections(&self) -> Vec<Connection> {
        Vec::new()
    }
}

/// How much of something is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Of what, for people.
    pub of: &'static str,
    /// How many are in use.
    pub used: u64,
    /// How many there may be.
    pub most: u64,
    /// How many of those in use belong to others than the initial user namespace.
    pub others: u64,
}

/// Why a service is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is new, and has no destinations yet.
    ServiceAdded,
    /// Its own settings were given anew.
    ServiceEdited {
        /// The scheduler is another one, so what it remembers starts anew.
        rebound: bool,
    },
    /// It has one destination more.
    DestinationAdded(DestinationId),
    /// One destination's settings were given anew.
    DestinationEdited(DestinationId),
    /// It has one destination fewer.
    DestinationDeleted {
        /// Which.
        id: DestinationId,
        /// What stood before it in the list.
        behind: Option<DestinationId>,
    },
}

/// Why the data path cannot take a change.
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
    /// The error number, positive.
    pub fn errno(self) -> i32 {
        match self {
            Self::NoMemory => libc::ENOMEM,
            Self::NoSpace => libc::ENOSPC,
        }
    }
}
