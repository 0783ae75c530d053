//! Schedulers: what sequence of servers new connections go through, and where in it the next one is.
//!
//! A scheduler here is a compiler. It turns a service's destinations into a [`Sequence`] that the
//! eBPF program only has to step through, and it says at which place to go on when a service was
//! edited while it was running. The sequences and the places are those that the kernel's modules of
//! the same name produce (`net/netfilter/ipvs/ip_vs_*.c`).
//!
//! Nothing here touches a map; see `datapath::publish` for that.

mod hashed;
mod listed;
mod rr;
mod wrr;

use sockvs_ebpf_common::SelectionKind;

use crate::ipvs::{Cause, DestinationId, Scheduler};

/// A destination as a scheduler sees it, in the order of the service's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Which destination it is.
    pub(super) id: DestinationId,
    /// Where its record stands.
    pub(super) index: u32,
    /// Its weight, never negative.
    pub(super) weight: i32,
    /// Its last weight that was not zero.
    pub(super) last_weight: i32,
    /// Its address, folded to 32 bits in host order, plus its port.
    pub(super) hashed: u32,
}

/// What of a service a scheduler looks at besides its destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// The scheduler.
    pub(super) scheduler: Scheduler,
    /// `OPTION_PORT` and `OPTION_FALLBACK`.
    pub(super) options: u32,
    /// The virtual address, folded to 32 bits in host order.
    pub(super) address: u32,
}

impl Server {
    /// The server as the programs find it in `SLOTS`.
    pub(super) fn slot(&self) -> u64 {
        u64::from(self.weight.max(0).cast_unsigned()) << 32 | u64::from(self.index)
    }
}

/// The same servers taking turns, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first place that belongs to this run.
    pub(super) first: u64,
    /// The servers that take turns.
    pub(super) servers: Vec<Server>,
}

/// A sequence of servers that repeats after `period` choices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sequence {
    /// How many choices there are before it starts again; zero if no server can be used.
    pub(super) period: u64,
    /// The sequence, in runs without gaps; the first one starts at place zero.
    pub(super) runs: Vec<Run>,
}

impl Sequence {
    /// The run that `place` belongs to.
    fn run(&self, place: u64) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.first <= place);
        self.runs.get(after.checked_sub(1)?)
    }

    /// The server at `place`.
    pub(super) fn server(&self, place: u64) -> Option<&Server> {
        let run = self.run(place)?;
        let len = u64::try_from(run.servers.len()).ok()?;
        let turn = (place - run.first).checked_rem(len)?;
        run.servers.get(usize::try_from(turn).ok()?)
    }
}

/// A compiled service.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// What is done with the sequence's servers.
    pub(super) kind: SelectionKind,
    /// `OPTION_PORT` and `OPTION_FALLBACK`.
    pub(super) options: u32,
    /// What new connections step through.
    pub(super) sequence: Sequence,
    /// Where they start.
    pub(super) start: u64,
    state: State,
}

/// What the kernel's scheduler module would keep as `svc->sched_data` if no connection came after
/// the plan was made.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// No scheduler: no connection is ever sent anywhere.
    #[default]
    None,
    RoundRobin(rr::Mark),
    WeightedRoundRobin(wrr::Mark),
    /// Nothing is remembered but what the programs keep: each connection is looked at by itself.
    Stateless(Settings),
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            kind: SelectionKind::Sequence,
            options: 0,
            sequence: Sequence::default(),
            start: 0,
            state: State::None,
        }
    }
}

impl Plan {
    /// The first plan of a service, or of one that changed its scheduler.
    pub(super) fn new(settings: Settings, servers: &[Server]) -> Self {
        match settings.scheduler {
            Scheduler::None => Self::default(),
            Scheduler::RoundRobin => rr::plan(rr::Mark::Head, servers),
            Scheduler::WeightedRoundRobin => wrr::plan(wrr::Mark::fresh(servers), servers),
            _ => stateless(settings, servers),
        }
    }

    /// Whether a service's settings ask for another plan, its scheduler being the same.
    pub(super) fn suits(&self, settings: Settings) -> bool {
        match self.state {
            State::Stateless(planned) => planned == settings,
            State::None | State::RoundRobin(_) | State::WeightedRoundRobin(_) => true,
        }
    }

    /// The plan of a service that an earlier daemon left, whose sequence this is, and whose cursor
    /// goes on from where it was. At what place that daemon had put the cursor is not known; as far
    /// as choices were made at all, it makes no difference to the next one.
    pub(super) fn resumed(settings: Settings, servers: &[Server]) -> Self {
        Self {
            start: 0,
            ..Self::new(settings, servers)
        }
    }

    /// The plan after a change. `cursor` is how many choices were made in all, counted from `start`;
    /// `before` and `after` are the servers as they were and as they are.
    pub(super) fn after(
        &self,
        cursor: u64,
        cause: Cause,
        before: &[Server],
        after: &[Server],
    ) -> Self {
        match self.state {
            State::None => Self::default(),
            State::RoundRobin(mark) => {
                let mark = self
                    .last_choice(cursor)
                    .map_or(mark, |last| rr::Mark::At(last.id));
                rr::plan(mark.after(cause, before), after)
            }
            State::WeightedRoundRobin(mark) => {
                let mark = mark.moved_to(self.last_place(cursor), &self.sequence);
                wrr::plan(mark.after(after), after)
            }
            State::Stateless(settings) => {
                let plan = stateless(settings, after);
                let start = listed::kept(plan.kind, cursor, self.servers(), plan.servers());
                Self { start, ..plan }
            }
        }
    }

    /// The servers of a plan that has but one run.
    fn servers(&self) -> &[Server] {
        self.sequence
            .runs
            .first()
            .map_or(&[], |run| run.servers.as_slice())
    }

    /// The place of the last choice, or none if none was made since the plan was.
    fn last_place(&self, cursor: u64) -> Option<u64> {
        (cursor > self.start)
            .then(|| (cursor - 1).checked_rem(self.sequence.period))
            .flatten()
    }

    fn last_choice(&self, cursor: u64) -> Option<&Server> {
        self.sequence.server(self.last_place(cursor)?)
    }
}

/// The plan of a scheduler that remembers nothing.
fn stateless(settings: Settings, servers: &[Server]) -> Plan {
    let (kind, looked_at) = match settings.scheduler {
        Scheduler::SourceHash => hashed::source(servers),
        Scheduler::DestinationHash => hashed::destination(settings.address, servers),
        Scheduler::Maglev => hashed::maglev(servers),
        other => listed::servers(other, servers),
    };
    Plan {
        kind,
        options: settings.options,
        sequence: Sequence {
            period: looked_at.len() as u64,
            runs: vec![Run {
                first: 0,
                servers: looked_at,
            }],
        },
        start: 0,
        state: State::Stateless(settings),
    }
}

#[cfg(test)]
mod tests;
