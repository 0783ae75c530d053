//! The schedulers that look at each server when a connection comes: `lc`, `wlc`, `sed`, `nq`, `fo`
//! and `ovf` (`ip_vs_lc.c` and so on). Here is decided which servers are looked at, in what order and
//! with what weight; the looking is the eBPF program's.

use std::cmp::Reverse;

use sockvs_ebpf_common::SelectionKind;

use super::{Plan, Run, Sequence, Server, State};
use crate::ipvs::Scheduler;

/// The servers to look at.
pub(super) fn plan(scheduler: Scheduler, servers: &[Server]) -> Plan {
    let mut looked_at: Vec<Server> = servers.iter().filter(|s| s.weight > 0).copied().collect();
    let kind = match scheduler {
        Scheduler::ShortestExpectedDelay => SelectionKind::LeastExpected,
        Scheduler::NeverQueue => SelectionKind::NeverQueue,
        Scheduler::Failover => SelectionKind::FirstUsable,
        Scheduler::Overflow => SelectionKind::Overflow,
        _ => SelectionKind::LeastOverhead,
    };
    match scheduler {
        // Weights play no part, but for zero.
        Scheduler::LeastConnection => looked_at.iter_mut().for_each(|server| server.weight = 1),
        // The highest weight first; of equals, the first of the list.
        Scheduler::Failover | Scheduler::Overflow => {
            looked_at.sort_by_key(|server| Reverse(server.weight));
        }
        _ => {}
    }
    Plan {
        kind,
        sequence: Sequence {
            period: looked_at.len() as u64,
            runs: vec![Run {
                first: 0,
                servers: looked_at,
            }],
        },
        start: 0,
        state: State::Listed(scheduler),
    }
}
