//! Identifiers: the namespace's cookie, and the ids that the data path allocates for services and
//! destinations.
//!
//! A key ([`ServiceKey`](super::ServiceKey)) identifies a service for clients; an id is its index
//! in the data path. Ids imply no order and are never sent to clients.

/// A network namespace, by its cookie (`SO_NETNS_COOKIE`). The kernel never reuses a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(pub u64);

/// A service, unique over all namespaces, from when it is added until it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u32);

/// A destination with its counters, unique over all services of all namespaces, from when it is
/// added until its id is freed. A destination that is deleted and soon added again keeps its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationId(pub u32);
