//! The schedulers that compare servers for each connection: `lc`, `wlc`, `sed`, `nq`, `fo`, `ovf`,
//! `twos`, `lblc` and `lblcr` (`ip_vs_lc.c` and so on). This module builds the list of servers with
//! their order and weights; the eBPF program compares them.

use std::cmp::Reverse;

use sockvs_ebpf_common::SelectionKind;

use crate::scheduler::Schedule;
use crate::scheduler::Server;
use crate::scheduler::Slot;
use sockvs_ipvs::Scheduler;

/// The kind of comparison, and the servers to compare.
pub(crate) fn servers(scheduler: Scheduler, servers: &[Server]) -> (SelectionKind, Vec<Server>) {
    let mut usable: Vec<Server> = servers.iter().filter(|s| s.weight > 0).copied().collect();
    match scheduler {
        // Only weight zero matters.
        Scheduler::LeastConnection => usable.iter_mut().for_each(|server| server.weight = 1),
        // The highest weight first; equal ones in the order of the list.
        Scheduler::Failover | Scheduler::Overflow => {
            usable.sort_by_key(|server| Reverse(server.weight));
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
    (kind, usable)
}

/// The cursor of `lblc` and `lblcr` for a new list of servers (`SelectionKind::Locality`).
pub(crate) fn kept(kind: SelectionKind, kept: u64, after: &Schedule) -> u64 {
    let stays = |turn: &Slot| u64::from(turn.id.0) + 1 == kept;
    let mut slots = after.rounds.iter().flat_map(|round| &round.slots);
    match kind {
        SelectionKind::Locality if slots.any(stays) => kept,
        SelectionKind::LocalityReplicated => kept,
        _ => 0,
    }
}
