//! The schedulers that look at each server when a connection comes: `lc`, `wlc`, `sed`, `nq`, `fo`,
//! `ovf`, `twos`, `lblc` and `lblcr` (`ip_vs_lc.c` and so on). Here is decided which servers are looked at, in what
//! order and with what weight; the looking is the eBPF program's.

use std::cmp::Reverse;

use sockvs_ebpf_common::SelectionKind;

use super::Server;
use crate::ipvs::Scheduler;

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

/// Where the cursor of `lblc` and `lblcr` goes on when the servers that are looked at change
/// (`SelectionKind::Locality`).
pub(super) fn kept(kind: SelectionKind, kept: u64, before: &[Server], after: &[Server]) -> u64 {
    let stays = |server: &Server| after.iter().any(|other| other.id == server.id);
    match kind {
        SelectionKind::Locality => before
            .iter()
            .find(|server| kept == u64::from(server.index) + 1)
            .filter(|server| stays(server))
            .map_or(0, |_| kept),
        SelectionKind::LocalityReplicated => kept,
        _ => 0,
    }
}
