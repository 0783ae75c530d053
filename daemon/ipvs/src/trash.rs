//! Destinations that were deleted a short while ago (`dest_trash`).
//!
//! A monitor that takes a server out and puts it back finds its counters, and the connections that
//! the server still has, as they were. The kernel does this with a list and a timer; here is the
//! list, and [`Trash::expire`] is what the timer does.

use std::collections::VecDeque;
use std::time::Duration;

use super::{
    Destination, DestinationId, DestinationKey, Service, ServiceKey, service::ServiceNumber,
};

/// How long a destination that nothing uses stays, once that was noticed
/// (`IP_VS_DEST_TRASH_PERIOD`). The kernel looks twice in each period.
pub const TRASH_PERIOD: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trash(VecDeque<Discarded>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Discarded {
    id: DestinationId,
    key: DestinationKey,
    /// The key of the service that it was deleted from.
    service: ServiceKey,
    /// Which service that was.
    number: ServiceNumber,
    /// When it was first seen unused.
    idle_since: Option<Duration>,
}

impl Trash {
    pub(super) fn put(
        &mut self,
        service: ServiceKey,
        number: ServiceNumber,
        destination: &Destination,
    ) {
        self.0.push_front(Discarded {
            id: destination.id(),
            key: *destination.key(),
            service,
            number,
            idle_since: None,
        });
    }

    /// Where a destination is that `service` may have back (`ip_vs_trash_get_dest`).
    pub(super) fn find(&self, service: &ServiceKey, key: &DestinationKey) -> Option<usize> {
        self.0
            .iter()
            .position(|discarded| discarded.key == *key && serves(&discarded.service, service))
    }

    /// The destination there, and whether it was deleted from this very service.
    pub(super) fn get(&self, position: usize, service: &Service) -> Option<(DestinationId, bool)> {
        let discarded = self.0.get(position)?;
        let same = discarded.number == service.number;
        Some((discarded.id, same))
    }

    pub(super) fn remove(&mut self, position: usize) {
        self.0.remove(position);
    }

    /// Drops what has been unused for the period, and says what that was
    /// (`ip_vs_dest_trash_expire`).
    pub(super) fn expire(
        &mut self,
        now: Duration,
        in_use: impl Fn(DestinationId) -> bool,
    ) -> Vec<DestinationId> {
        let mut dropped = Vec::new();
        self.0.retain_mut(|discarded| {
            let id = discarded.id;
            if in_use(id) {
                return true;
            }
            let since = *discarded.idle_since.get_or_insert(now);
            if now.saturating_sub(since) < TRASH_PERIOD {
                return true;
            }
            dropped.push(id);
            false
        });
        dropped
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a destination of the service `was` also fits `is`: the same mark, whatever the family,
/// or the same protocol, address and port.
fn serves(was: &ServiceKey, is: &ServiceKey) -> bool {
    was == is || was.fwmark().is_some_and(|mark| is.fwmark() == Some(mark))
}
