//! The schedulers that look at each server when a connection comes: `lc`, `wlc`, `sed`, `nq`, `fo`,
//! `ovf`, `twos`, `lblc` and `lblcr` (`ip_vs_lc.c` and so on). Here is decided which servers are
//! looked at, in what order and with what weight; the looking is the eBPF program's.

use std::cmp::Reverse;

use sockvs_ebpf_common::SelectionKind;

use super::{Schedule, Server, Slot};
use sockvs_ipvs::Scheduler;

/// How the servers are looked at, and which.
pub(super) fn servers(scheduler: Scheduler, servers: &[Server]) -> (SelectionKind, Vec<Server>) {
    let mut looked_at: Vec<Server> = servers.iter().filter(|s| s.weight > 0).copied().collect();
    match scheduler {
        // Weights play no part, but for zero.
        Scheduler::LeastConnection => looked_at.iter_mut().for_each(|server| server.weight = 1),
        // The highest weight first; of equals, the first of the list.
        Scheduler::Failover | Scheduler::Overflow => {
            looked_at.sort_by_key(|server| Reverse(server.weight));
        }
        _ => {}
    }
    let kind = match scheduler {
        Scheduler::ShortestExpectedDelay => SelectionKind::LeastExpected,
        Scheduler::NeverQueue => SelectionKind::NeverQueue,
        Scheduler::Failover => SelectionKind::FirstUsable,
        Scheduler::Overflow => SelectionKind::Overflow,
        Scheduler::TwoChoices => SelectionKind::TwoChoices,
        Scheduler::LocalityLeastConnection => SelectionKind::Locality,
        Scheduler::LocalityLeastConnectionReplicated => SelectionKind::LocalityReplicated,
        _ => SelectionKind::LeastOverhead,
    };
    (kind, looked_at)
}

/// Where the cursor of `lblc` and `lblcr` goes on when these are the servers that are looked at
/// from now on (`SelectionKind::Locality`).
pub(super) fn kept(kind: SelectionKind, kept: u64, after: &Schedule) -> u64 {
    let stays = |turn: &Slot| u64::from(turn.id.0) + 1 == kept;
    let mut slots = after.rounds.iter().flat_map(|round| &round.slots);
    match kind {
        SelectionKind::Locality if slots.any(stays) => kept,
        SelectionKind::LocalityReplicated => kept,
        _ => 0,
    }
}
