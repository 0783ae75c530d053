//! Schedulers: the order of servers for new connections, and the position of the next one in it.
//!
//! A scheduler here is a compiler. It arranges a service's destinations into a [`Schedule`] that
//! the eBPF program only steps through, and determines the position at which to continue after an
//! edit of a service in use. The schedules and positions are those of the kernel's modules of the
//! same name (`net/netfilter/ipvs/ip_vs_*.c`).
//!
//! Nothing here touches a map; see `publish` for that.

mod hashed;
mod listed;
mod rr;
mod wrr;

use sockvs_ebpf_common::SelectionKind;

use sockvs_ipvs::{Cause, DestinationId, Scheduler};

/// A destination in the form that schedulers use, in the order of the service's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// The destination's id, which is the index of its record.
    pub(crate) id: DestinationId,
    /// Its weight, never negative.
    pub(crate) weight: i32,
    /// Its last weight that was not zero.
    pub(crate) last_weight: i32,
    /// Its address, folded to 32 bits in host order, plus its port.
    pub(crate) hashed: u32,
}

/// The settings of a service that its scheduler uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The scheduler.
    pub(crate) scheduler: Scheduler,
    /// `OPTION_PORT` and `OPTION_FALLBACK`.
    pub(crate) options: u32,
    /// The virtual address, folded to 32 bits in host order.
    pub(crate) address: u32,
}

/// A slot: a server in the form of the map `SLOTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The destination's id.
    pub(crate) id: DestinationId,
    /// Its weight.
    pub(crate) weight: u32,
}

impl Slot {
    /// As a word.
    pub(crate) fn to_word(self) -> u64 {
        u64::from(self.weight) << 32 | u64::from(self.id.0)
    }

    /// From a word.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
    pub(crate) fn from_word(word: u64) -> Self {
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

/// Servers that are chosen in turn for some choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// The first position of this round.
    pub(crate) first: u64,
    /// The servers, in order.
    pub(crate) slots: Vec<Slot>,
}

impl Round {
    /// The only round of a schedule.
    fn only(servers: &[Server]) -> Vec<Self> {
        vec![Self {
            first: 0,
            slots: servers.iter().map(Slot::from).collect(),
        }]
    }
}

/// An order of servers that repeats after `period` choices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The number of choices until it repeats; zero if no server can be used.
    pub(crate) period: u64,
    /// Rounds without gaps; the first one starts at position zero.
    pub(crate) rounds: Vec<Round>,
}

impl Schedule {
    /// The round of a position.
    fn round(&self, place: u64) -> Option<&Round> {
        let after = self.rounds.partition_point(|round| round.first <= place);
        self.rounds.get(after.checked_sub(1)?)
    }

    /// The server at a position.
    pub(crate) fn server(&self, place: u64) -> Option<&Slot> {
        let round = self.round(place)?;
        let len = u64::try_from(round.slots.len()).ok()?;
        let turn = (place - round.first).checked_rem(len)?;
        round.slots.get(usize::try_from(turn).ok()?)
    }
}

/// A compiled service. The programs' part of it is written to the maps, which hold the only copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// How the program chooses among the schedule's servers.
    pub(crate) kind: SelectionKind,
    /// `OPTION_PORT` and `OPTION_FALLBACK`.
    pub(crate) options: u32,
    /// The order for new connections.
    pub(crate) schedule: Schedule,
    /// The state for computing the next plan.
    pub(crate) sched_state: SchedState,
}

/// The state of a service's scheduler while one of its plans is in force.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SchedState {
    /// The cursor at which the plan started.
    pub(crate) start: u64,
    state: State,
}

/// What the kernel's scheduler module would keep as `svc->sched_data` if no connection was
/// scheduled after the plan was computed.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// No scheduler: no connection gets a server.
    #[default]
    None,
    RoundRobin(rr::Mark),
    WeightedRoundRobin(wrr::Mark),
    /// No state but that of the programs: each connection is scheduled independently.
    Stateless,
}

impl Plan {
    /// The first plan of a service, or the first with a new scheduler.
    pub(crate) fn new(settings: Settings, servers: &[Server]) -> Self {
        match settings.scheduler {
            Scheduler::None => Self::default(),
            Scheduler::RoundRobin => rr::plan(rr::Mark::Head, servers),
            Scheduler::WeightedRoundRobin => wrr::plan(wrr::Mark::fresh(servers), servers),
            _ => stateless(settings, servers),
        }
    }

    /// The plan of a service of an earlier daemon, with its schedule and cursor. The position at
    /// which that daemon started the plan is unknown; it does not affect the next choice if any
    /// choice was made at all.
    pub(crate) fn resumed(settings: Settings, servers: &[Server]) -> Self {
        let mut plan = Self::new(settings, servers);
        plan.sched_state.start = 0;
        plan
    }
}

impl SchedState {
    /// Whether a service's settings are the same as those of the plan in force, which has these
    /// options and the same scheduler.
    pub(crate) fn suits(self, options: u32, settings: Settings) -> bool {
        match self.state {
            State::Stateless => options == settings.options,
            State::None | State::RoundRobin(_) | State::WeightedRoundRobin(_) => true,
        }
    }

    /// The plan after a change of destinations, with the same settings. `cursor` is the number of
    /// choices, counted from `start`, in a schedule with this period; `schedule` reads that
    /// schedule. `after` are the current servers.
    pub(crate) fn after(
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

    /// The position of the last choice; `None` if there was none with this plan.
    fn last_place(self, cursor: u64, period: u64) -> Option<u64> {
        (cursor > self.start)
            .then(|| (cursor - 1).checked_rem(period))
            .flatten()
    }
}

/// The plan of a scheduler without state.
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
