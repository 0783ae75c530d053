//! Names for things: the namespace's, and the numbers that the daemon gives to services and
//! destinations.
//!
//! A key ([`ServiceKey`](super::ServiceKey)) says what clients call a service; an id says which
//! one it is, so that a service that was deleted and added again is another one. Ids say nothing
//! about order of importance and never reach the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A network namespace, by its cookie (`SO_NETNS_COOKIE`). The kernel never gives a cookie twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(pub u64);

/// One service, from when it is added until it is deleted.
///
/// Unique in all namespaces for as long as its [`Ids`] live, and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u32);

/// One destination of one service, and its counters.
///
/// Unique in all namespaces for as long as its [`Ids`] live, and never used for another
/// destination. The same destination keeps its id when it is deleted and soon added again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationId(pub u64);

/// Gives out the ids. Clones give from the same source, so tables that share one never clash.
#[derive(Clone, Debug)]
pub struct Ids(Arc<Last>);

#[derive(Debug)]
struct Last {
    service: AtomicU32,
    destination: AtomicU64,
}

impl Ids {
    /// A source whose first ids are 1.
    pub fn new() -> Self {
        Self::after(ServiceId(0), DestinationId(0))
    }

    /// A source that goes on after these, for a daemon that finds the maps of an earlier one.
    pub fn after(service: ServiceId, destination: DestinationId) -> Self {
        Self(Arc::new(Last {
            service: AtomicU32::new(service.0),
            destination: AtomicU64::new(destination.0),
        }))
    }

    /// The next service's id, or `None` when all have been used.
    pub(super) fn next_service(&self) -> Option<ServiceId> {
        self.0
            .service
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                last.checked_add(1)
            })
            .ok()
            .map(|last| ServiceId(last + 1))
    }

    /// The next destination's id, or `None` when all have been used.
    pub(super) fn next_destination(&self) -> Option<DestinationId> {
        self.0
            .destination
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                last.checked_add(1)
            })
            .ok()
            .map(|last| DestinationId(last + 1))
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}
