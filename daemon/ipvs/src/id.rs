//! Names for things: the namespace's, and the numbers that the data path gives to services and
//! destinations.
//!
//! A key ([`ServiceKey`](super::ServiceKey)) says what clients call a service; an id says where the
//! data path has it. Ids say nothing about order of importance and never reach the wire.

/// A network namespace, by its cookie (`SO_NETNS_COOKIE`). The kernel never gives a cookie twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(pub u64);

/// One service of all namespaces, from when it is added until it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u32);

/// One destination of one service of all namespaces, and its counters, from when it is added until
/// it is forgotten. The same destination keeps its id when it is deleted and soon added again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationId(pub u32);
