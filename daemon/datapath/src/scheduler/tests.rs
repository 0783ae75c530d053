//! The schedulers against step-by-step models of the kernel's modules, on random histories.
//! (Sequences recorded from a real kernel are replayed in `compat-tests`.)

use proptest::prelude::*;

use crate::scheduler::*;

/// A change or use of a service.
#[derive(Clone, Copy, Debug)]
enum Event {
    Add { weight: i32 },
    Edit { which: usize, weight: i32 },
    Delete { which: usize },
    Connect { times: usize },
}

fn event() -> impl Strategy<Value = Event> {
    let weight = prop_oneof![3 => 0..5_i32, 2 => 0..100_i32, 1 => Just(65_535)];
    prop_oneof![
        2 => weight.clone().prop_map(|weight| Event::Add { weight }),
        2 => (any::<usize>(), weight).prop_map(|(which, weight)| Event::Edit { which, weight }),
        1 => any::<usize>().prop_map(|which| Event::Delete { which }),
        4 => (0..40_usize).prop_map(|times| Event::Connect { times }),
    ]
}

/// A service as the data path keeps it: a plan, and a cursor that connections advance.
struct Compiled {
    settings: Settings,
    servers: Vec<Server>,
    plan: Plan,
    cursor: u64,
}

impl Compiled {
    fn new(scheduler: Scheduler) -> Self {
        let plan = Plan::new(settings(scheduler), &[]);
        Self {
            settings: settings(scheduler),
            servers: Vec::new(),
            cursor: plan.sched_state.start,
            plan,
        }
    }

    fn change(&mut self, cause: Cause, servers: Vec<Server>) {
        let Plan {
            schedule,
            sched_state,
            ..
        } = &self.plan;
        let made = (self.cursor, schedule.period);
        self.plan = sched_state.after(self.settings, made, || schedule.clone(), cause, &servers);
        self.cursor = self.plan.sched_state.start;
        self.servers = servers;
    }

    fn connect(&mut self) -> Option<DestinationId> {
        let place = self.cursor.checked_rem(self.plan.schedule.period)?;
        self.cursor += 1;
        self.plan.schedule.server(place).map(|server| server.id)
    }
}

/// A kernel module, step by step over the list. `None` as a position is the head of the list.
trait Model {
    fn connect(&mut self, list: &[Server]) -> Option<DestinationId>;
    fn deleted(&mut self, before: &[Server], id: DestinationId);
    fn changed(&mut self, list: &[Server]);
}

fn settings(scheduler: Scheduler) -> Settings {
    Settings {
        scheduler,
        options: 0,
        address: 0,
    }
}

fn server(id: u32, weight: i32) -> Server {
    Server {
        id: DestinationId(id),
        weight,
        last_weight: weight,
        hashed: id,
    }
}

fn position(list: &[Server], id: Option<DestinationId>) -> Option<usize> {
    list.iter().position(|server| Some(server.id) == id)
}

/// `ip_vs_rr.c`.
#[derive(Default)]
struct RoundRobin {
    last: Option<DestinationId>,
}

impl Model for RoundRobin {
    fn connect(&mut self, list: &[Server]) -> Option<DestinationId> {
        let after = position(list, self.last).map_or(0, |at| at + 1);
        let (before, behind) = list.split_at(after);
        let chosen = behind
            .iter()
            .chain(before)
            .find(|server| server.weight > 0)?;
        self.last = Some(chosen.id);
        self.last
    }

    fn deleted(&mut self, before: &[Server], id: DestinationId) {
        if self.last == Some(id) {
            let previous =
                position(before, self.last).and_then(|at| before.get(at.checked_sub(1)?));
            self.last = previous.map(|server| server.id);
        }
    }

    fn changed(&mut self, _list: &[Server]) {}
}

/// `ip_vs_wrr.c`.
struct WeightedRoundRobin {
    current: Option<DestinationId>,
    cw: i64,
    mw: i64,
    di: i64,
}

impl WeightedRoundRobin {
    fn new() -> Self {
        Self {
            current: None,
            cw: 0,
            mw: 0,
            di: 1,
        }
    }
}

impl Model for WeightedRoundRobin {
    fn connect(&mut self, list: &[Server]) -> Option<DestinationId> {
        if self.mw == 0 {
            return None;
        }
        loop {
            let after = position(list, self.current).map_or(0, |at| at + 1);
            let rest = list.get(after..).unwrap_or_default();
            if let Some(found) = rest
                .iter()
                .find(|server| i64::from(server.weight) >= self.cw)
            {
                self.current = Some(found.id);
                return self.current;
            }
            self.current = None;
            self.cw -= self.di;
            if self.cw <= 0 {
                self.cw = self.mw;
            }
        }
    }

    fn deleted(&mut self, _before: &[Server], _id: DestinationId) {}

    fn changed(&mut self, list: &[Server]) {
        fn gcd(a: i64, b: i64) -> i64 {
            if b == 0 { a } else { gcd(b, a % b) }
        }
        let weights = || {
            list.iter()
                .map(|server| i64::from(server.weight))
                .filter(|w| *w > 0)
        };
        self.current = None;
        self.di = weights().reduce(gcd).unwrap_or(1);
        self.mw = weights().max().unwrap_or(0) - (self.di - 1);
        if self.cw > self.mw || self.cw == 0 {
            self.cw = self.mw;
        } else if self.di > 1 {
            self.cw = self.cw / self.di * self.di + 1;
        }
    }
}

/// Runs a history through both, and compares every choice.
fn same_choices(
    scheduler: Scheduler,
    mut model: impl Model,
    history: &[Event],
) -> Result<(), TestCaseError> {
    let mut compiled = Compiled::new(scheduler);
    let mut next_id = 0;
    for event in history {
        let mut servers = compiled.servers.clone();
        let before = servers.clone();
        match *event {
            Event::Add { weight } => {
                next_id += 1;
                let id = DestinationId(next_id);
                servers.insert(0, server(next_id, weight));
                compiled.change(Cause::DestinationAdded(id), servers);
            }
            Event::Edit { which, weight } if !servers.is_empty() => {
                let at = which % servers.len();
                servers[at].weight = weight;
                let id = servers[at].id;
                compiled.change(Cause::DestinationEdited(id), servers);
            }
            Event::Delete { which } if !servers.is_empty() => {
                let at = which % servers.len();
                let id = servers.remove(at).id;
                model.deleted(&before, id);
                let behind = at.checked_sub(1).map(|previous| servers[previous].id);
                compiled.change(Cause::DestinationDeleted { id, behind }, servers);
            }
            Event::Connect { times } => {
                for nth in 0..times {
                    let expected = model.connect(&compiled.servers);
                    let chosen = compiled.connect();
                    prop_assert_eq!(chosen, expected, "connection {} of {:?}", nth, event);
                }
                continue;
            }
            Event::Edit { .. } | Event::Delete { .. } => continue,
        }
        model.changed(&compiled.servers);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rr_chooses_as_the_kernel(history in prop::collection::vec(event(), 0..40)) {
        same_choices(Scheduler::RoundRobin, RoundRobin::default(), &history)?;
    }

    #[test]
    fn wrr_chooses_as_the_kernel(history in prop::collection::vec(event(), 0..40)) {
        same_choices(Scheduler::WeightedRoundRobin, WeightedRoundRobin::new(), &history)?;
    }
}

#[test]
fn a_plan_of_large_weights_stays_small() {
    let servers = [server(1, i32::MAX), server(2, 1)];
    let plan = Plan::new(settings(Scheduler::WeightedRoundRobin), &servers);
    assert_eq!(plan.schedule.period, u64::from(i32::MAX.unsigned_abs()) + 1);
    assert_eq!(plan.schedule.rounds.len(), 2);
}

#[test]
fn without_a_scheduler_nothing_is_ever_chosen() {
    let server = server(1, 1);
    let plan = Plan::new(settings(Scheduler::None), &[server]);
    let plan = plan.sched_state.after(
        settings(Scheduler::None),
        (0, 0),
        Schedule::default,
        Cause::DestinationAdded(DestinationId(1)),
        &[server],
    );
    assert_eq!(plan.schedule.period, 0);
}

/// The number of entries of each server in a table.
fn shares(scheduler: Scheduler, servers: &[Server]) -> Vec<usize> {
    let plan = Plan::new(settings(scheduler), servers);
    let table = &plan.schedule.rounds[0].slots;
    let places = |server: &Server| table.iter().filter(|place| place.id == server.id).count();
    servers.iter().map(places).collect()
}

#[test]
fn sh_gives_entries_by_weight_and_one_for_weight_zero() {
    assert_eq!(
        shares(Scheduler::SourceHash, &[server(1, 0), server(2, 3)]),
        [64, 192]
    );
}

#[test]
fn mh_gives_entries_by_weight() {
    assert_eq!(
        shares(
            Scheduler::Maglev,
            &[server(1, 20), server(2, 10), server(3, 0)]
        ),
        [2729, 1364, 0]
    );
}

#[test]
fn mh_leaves_most_clients_where_they_are_when_a_server_goes() {
    let table = |servers: &[Server]| {
        let plan = Plan::new(settings(Scheduler::Maglev), servers);
        plan.schedule.rounds[0]
            .slots
            .iter()
            .map(|server| server.id)
            .collect::<Vec<_>>()
    };
    let three = [server(1, 1), server(2, 1), server(3, 1)];
    let (before, after) = (table(&three), table(&three[..2]));
    let moved = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after && **before != DestinationId(3))
        .count();
    assert!(
        moved < before.len() / 10,
        "{moved} of {} moved",
        before.len()
    );
}

#[test]
fn fo_and_ovf_go_by_weight_and_then_by_the_list() {
    for scheduler in [Scheduler::Failover, Scheduler::Overflow] {
        let servers = [server(1, 1), server(2, 5), server(3, 5), server(4, 0)];
        let plan = Plan::new(settings(scheduler), &servers);
        let order: Vec<u32> = plan.schedule.rounds[0]
            .slots
            .iter()
            .map(|s| s.id.0)
            .collect();
        assert_eq!(order, [2, 3, 1], "{scheduler:?}");
    }
}
