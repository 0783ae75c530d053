//! `rr`: round robin over the destinations whose weight is not zero (`ip_vs_rr.c`).
//!
//! The kernel keeps a pointer to the destination that it chose last and goes on behind it in the
//! list. Deleting that destination moves the pointer to the one before it.

use sockvs_ebpf_common::SelectionKind;

use crate::scheduler::Plan;
use crate::scheduler::Round;
use crate::scheduler::SchedState;
use crate::scheduler::Schedule;
use crate::scheduler::Server;
use crate::scheduler::State;
use sockvs_ipvs::{Cause, DestinationId};

/// The position in the list after which the next choice starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The head of the list.
    Head,
    /// The destination that was chosen last, or the one before it if that was deleted.
    At(DestinationId),
}

impl Mark {
    /// The position after a change of the list.
    pub(crate) fn after(self, cause: Cause) -> Self {
        match (self, cause) {
            (Self::At(chosen), Cause::DestinationDeleted { id, behind }) if chosen == id => {
                behind.map_or(Self::Head, Self::At)
            }
            _ => self,
        }
    }
}

/// The plan that continues after `mark`.
pub(crate) fn plan(mark: Mark, servers: &[Server]) -> Plan {
    let usable: Vec<Server> = servers
        .iter()
        .filter(|server| server.weight > 0)
        .copied()
        .collect();
    let period = usable.len() as u64;
    let up_to_mark = match mark {
        Mark::Head => 0,
        Mark::At(id) => servers
            .iter()
            .position(|server| server.id == id)
            .map_or(0, |at| {
                servers.iter().take(at + 1).filter(|s| s.weight > 0).count()
            }),
    };
    Plan {
        kind: SelectionKind::Sequence,
        options: 0,
        schedule: Schedule {
            period,
            rounds: Round::only(&usable),
        },
        sched_state: SchedState {
            start: (up_to_mark as u64).checked_rem(period).unwrap_or(0),
            state: State::RoundRobin(mark),
        },
    }
}
