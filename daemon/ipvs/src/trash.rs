//! Recently deleted destinations (`dest_trash`).
//!
//! When a monitor removes a server and adds it again, the server keeps its counters and its
//! existing connections. The kernel implements this with a list and a timer; this module has the
//! list, and [`Trash::expire`] is called instead of the timer.

use std::collections::VecDeque;
use std::time::Duration;

use super::{
    Destination, DestinationId, DestinationKey, Service, ServiceKey, service::ServiceNumber,
};

/// How long an unused destination is kept after it was first seen unused
/// (`IP_VS_DEST_TRASH_PERIOD`). The kernel checks twice in each period.
pub const TRASH_PERIOD: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trash(VecDeque<Discarded>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Discarded {
    id: DestinationId,
    key: DestinationKey,
    /// The key of the service that it was deleted from.
    service: ServiceKey,
    /// The number of that service.
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

    /// The position of a destination that `service` can restore (`ip_vs_trash_get_dest`).
    pub(super) fn find(&self, service: &ServiceKey, key: &DestinationKey) -> Option<usize> {
        self.0
            .iter()
            .position(|discarded| discarded.key == *key && serves(&discarded.service, service))
    }

    /// The destination at a position, and whether it was deleted from this very service.
    pub(super) fn get(&self, position: usize, service: &Service) -> Option<(DestinationId, bool)> {
        let discarded = self.0.get(position)?;
        let same = discarded.number == service.number;
        Some((discarded.id, same))
    }

    pub(super) fn remove(&mut self, position: usize) {
        self.0.remove(position);
    }

    /// Removes and returns those that were unused for the period (`ip_vs_dest_trash_expire`).
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

/// Whether a destination of the service `was` also fits `is`: the same mark of any family, or the
/// same protocol, address and port.
fn serves(was: &ServiceKey, is: &ServiceKey) -> bool {
    was == is || was.fwmark().is_some_and(|mark| is.fwmark() == Some(mark))
}
