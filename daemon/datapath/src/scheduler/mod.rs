//! Schedulers: what schedule of servers new connections go through, and where in it the next one
//! is.
//!
//! A scheduler here is a compiler. It slots a service's destinations into a [`Schedule`] that the
//! eBPF program only has to step through, and it says at which place to go on when a service was
//! edited while it was running. The schedules and the places are those that the kernel's modules of
//! the same name produce (`net/netfilter/ipvs/ip_vs_*.c`).
//!
//! Nothing here touches a map; see `publish` for that.

mod hashed;
mod listed;
mod rr;
mod wrr;

use sockvs_ebpf_common::SelectionKind;

use sockvs_ipvs::{Cause, DestinationId, Scheduler};

/// A destination as a scheduler sees it, in the order of the service's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Which destination it is, and where its record stands.
    pub(super) id: DestinationId,
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

/// A slot: a server, as the programs find it in `SLOTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Which destination it is.
    pub(super) id: DestinationId,
    /// Its weight.
    pub(super) weight: u32,
}

impl Slot {
    /// As a word.
    pub(super) fn to_word(self) -> u64 {
        u64::from(self.weight) << 32 | u64::from(self.id.0)
    }

    /// From a word.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
    pub(super) fn from_word(word: u64) -> Self {
        Self {
            id: DestinationId(word as u32),
            weight: (word >> 32) as u32,
        }
    }
}

impl From<&Server> for Slot {
    fn from(server: &Server) -> Self {
        Self {
            id: server.id,
            weight: server.weight.max(0).cast_unsigned(),
        }
    }
}

/// Servers that take turns for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Round {
    /// The first place that belongs to this round.
    pub(super) first: u64,
    /// The servers that take turns.
    pub(super) slots: Vec<Slot>,
}

impl Round {
    /// The only round of a schedule: these servers.
    fn only(servers: &[Server]) -> Vec<Self> {
        vec![Self {
            first: 0,
            slots: servers.iter().map(Slot::from).collect(),
        }]
    }
}

/// Servers in an order that repeats after `period` choices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    /// How many choices there are before it starts again; zero if no server can be used.
    pub(super) period: u64,
    /// Rounds without gaps; the first one starts at place zero.
    pub(super) rounds: Vec<Round>,
}

impl Schedule {
    /// The round that `place` belongs to.
    fn round(&self, place: u64) -> Option<&Round> {
        let after = self.rounds.partition_point(|round| round.first <= place);
        self.rounds.get(after.checked_sub(1)?)
    }

    /// The server at `place`.
    pub(super) fn server(&self, place: u64) -> Option<&Slot> {
        let round = self.round(place)?;
        let len = u64::try_from(round.slots.len()).ok()?;
        let turn = (place - round.first).checked_rem(len)?;
        round.slots.get(usize::try_from(turn).ok()?)
    }
}

/// A compiled service. What programs follow of it is written into the maps, and stands there.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// What is done with the schedule's servers.
    pub(super) kind: SelectionKind,
    /// `OPTION_PORT` and `OPTION_FALLBACK`.
    pub(super) options: u32,
    /// What new connections step through.
    pub(super) schedule: Schedule,
    /// What is remembered until the next plan.
    pub(super) sched_state: SchedState,
}

/// What a scheduler remembers of a service while a plan of its is in force.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SchedState {
    /// Where the plan started.
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
    Stateless,
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

    /// The plan of a service that an earlier daemon left, whose schedule this is, and whose cursor
    /// goes on from where it was. At what place that daemon had put the cursor is not known; as far
    /// as choices were made at all, it makes no difference to the next one.
    pub(super) fn resumed(settings: Settings, servers: &[Server]) -> Self {
        let mut plan = Self::new(settings, servers);
        plan.sched_state.start = 0;
        plan
    }
}

impl SchedState {
    /// Whether a service's settings ask for another plan than the one in force, which has these
    /// options; its scheduler is the same.
    pub(super) fn suits(self, options: u32, settings: Settings) -> bool {
        match self.state {
            State::Stateless => options == settings.options,
            State::None | State::RoundRobin(_) | State::WeightedRoundRobin(_) => true,
        }
    }

    /// The plan after a change that leaves the settings as they are. `cursor` is how many choices
    /// were made in all, counted from `start`, in a schedule of this period; `schedule` reads it.
    /// `after` are the servers as they are now.
    pub(super) fn after(
        self,
        settings: Settings,
        (cursor, period): (u64, u64),
        schedule: impl FnOnce() -> Schedule,
        cause: Cause,
        after: &[Server],
    ) -> Plan {
        let last_place = self.last_place(cursor, period);
        match self.state {
            State::None => Plan::default(),
            State::RoundRobin(mark) => {
                let last = last_place.and_then(|place| schedule().server(place).copied());
                let mark = last.map_or(mark, |last| rr::Mark::At(last.id));
                rr::plan(mark.after(cause), after)
            }
            State::WeightedRoundRobin(mark) => {
                let mark = last_place.map_or(mark, |place| mark.moved_to(place, &schedule()));
                wrr::plan(mark.after(after), after)
            }
            State::Stateless => {
                let mut plan = stateless(settings, after);
                plan.sched_state.start = listed::kept(plan.kind, cursor, &plan.schedule);
                plan
            }
        }
    }

    /// The place of the last choice, or none if none was made since the plan was.
    fn last_place(self, cursor: u64, period: u64) -> Option<u64> {
        (cursor > self.start)
            .then(|| (cursor - 1).checked_rem(period))
            .flatten()
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
        schedule: Schedule {
            period: looked_at.len() as u64,
            rounds: Round::only(&looked_at),
        },
        sched_state: SchedState {
            start: 0,
            state: State::Stateless,
        },
    }
}

#[cfg(test)]
mod tests;
