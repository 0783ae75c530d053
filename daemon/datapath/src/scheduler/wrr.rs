//! `wrr`: weighted round robin, the kernel's interleaved kind (`ip_vs_wrr.c`).
//!
//! The kernel cycles through the list. In each round it takes every destination whose weight
//! reaches the round's threshold `cw`; after a round `cw` is lowered by `di`, the greatest common
//! divisor of the weights, and when it would reach zero it is set to the maximum, `mw`. Any change
//! of a destination restarts at the head of the list, with `cw` adjusted to the new weights.
//!
//! Counted from one, round `level` has `cw = (level - 1) * di + 1`, and destinations with a weight
//! of at least `level * di` take part. Rounds between two adjacent weights have the same
//! participants; they are one `Round` of the schedule.

use sockvs_ebpf_common::SelectionKind;

use crate::scheduler::Plan;
use crate::scheduler::Round;
use crate::scheduler::SchedState;
use crate::scheduler::Schedule;
use crate::scheduler::Server;
use crate::scheduler::Slot;
use crate::scheduler::State;

/// `struct ip_vs_wrr_mark` of the kernel without its pointer, which is the head of the list after
/// every change of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The current threshold.
    cw: u32,
    /// The step by which it is lowered.
    di: u32,
}

impl Mark {
    /// The state when the scheduler is bound to a service (`ip_vs_wrr_init_svc`).
    pub(crate) fn fresh(servers: &[Server]) -> Self {
        let Rounds { di, levels } = Rounds::of(servers);
        Self {
            cw: threshold(levels, di),
            di,
        }
    }

    /// The state after `place` of `schedule` was chosen.
    pub(crate) fn moved_to(self, place: u64, schedule: &Schedule) -> Self {
        level_at(schedule, place, self.di).map_or(self, |level| Self {
            cw: threshold(level, self.di),
            di: self.di,
        })
    }

    /// The state after a change of the destinations (`ip_vs_wrr_dest_changed`).
    pub(crate) fn after(self, servers: &[Server]) -> Self {
        let Rounds { di, levels } = Rounds::of(servers);
        let mw = threshold(levels, di);
        let cw = if self.cw > mw || self.cw == 0 {
            mw
        } else if di > 1 {
            self.cw / di * di + 1
        } else {
            self.cw
        };
        Self { cw, di }
    }
}

/// The rounds of a list of servers.
struct Rounds {
    di: u32,
    /// The number of rounds until the threshold is at its maximum again; zero if no server can be
    /// used.
    levels: u32,
}

impl Rounds {
    fn of(servers: &[Server]) -> Self {
        let weights = || servers.iter().map(weight).filter(|weight| *weight > 0);
        let di = weights().reduce(gcd).unwrap_or(1);
        Self {
            di,
            levels: weights().max().unwrap_or(0) / di,
        }
    }
}

/// `cw` of a round; zero if there are no rounds (the kernel's `mw` without usable servers).
fn threshold(level: u32, di: u32) -> u32 {
    level.checked_sub(1).map_or(0, |below| below * di + 1)
}

fn weight(server: &Server) -> u32 {
    u32::try_from(server.weight).unwrap_or(0)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The plan that starts with the round of the mark's threshold.
pub(crate) fn plan(mark: Mark, servers: &[Server]) -> Plan {
    let Rounds { di, levels } = Rounds::of(servers);
    let mut tops: Vec<u32> = servers
        .iter()
        .map(|s| weight(s) / di)
        .filter(|q| *q > 0)
        .collect();
    tops.sort_unstable_by(|a, b| b.cmp(a));
    tops.dedup();

    let mut rounds = Vec::with_capacity(tops.len());
    let mut first = 0;
    let mut start = 0;
    let current = mark.cw.div_ceil(di).min(levels);
    for (position, &top) in tops.iter().enumerate() {
        let bottom = tops.get(position + 1).copied().unwrap_or(0);
        let slots: Vec<Slot> = servers
            .iter()
            .filter(|s| weight(s) / di >= top)
            .map(Slot::from)
            .collect();
        let len = slots.len() as u64;
        if current <= top && current > bottom {
            start = first + u64::from(top - current) * len;
        }
        rounds.push(Round { first, slots });
        first += u64::from(top - bottom) * len;
    }
    Plan {
        kind: SelectionKind::Sequence,
        options: 0,
        schedule: Schedule {
            period: first,
            rounds,
        },
        sched_state: SchedState {
            start,
            state: State::WeightedRoundRobin(mark),
        },
    }
}

/// The round of a position.
fn level_at(schedule: &Schedule, place: u64, di: u32) -> Option<u32> {
    let round = schedule.round(place)?;
    let top = round.slots.iter().map(|turn| turn.weight).min()? / di;
    let rounds = (place - round.first).checked_div(round.slots.len() as u64)?;
    top.checked_sub(u32::try_from(rounds).ok()?)
}
