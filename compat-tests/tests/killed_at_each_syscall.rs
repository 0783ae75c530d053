//! The daemon is killed in the middle of things: while it carries out a change, and while it
//! starts. What it was about to do is done or not done, nothing else changes, and connections
//! notice nothing.
//!
//! `SOCKVS_TEST_KILLS` says how often it is killed (while it starts, half as often); without it, a
//! few times.

use std::{collections::BTreeSet, thread, time::Duration};

use compat_tests::{
    Conversation, Ledger, Server, SyscallKiller, Testbed, Traffic, daemon::Version, listing,
    traffic::Absences, variable,
};

/// How often the daemon is killed by default.
const KILLS: u32 = 30;
/// More steps than any change takes from the moment on at which it is asked for.
const STEPS_OF_A_CHANGE: u32 = 151;
/// More than the daemon takes to get ready.
const STEPS_OF_A_START: u32 = 6000;
/// After so many kills it is looked what became of the connections.
const LOOK: u32 = 20;

/// Changes of a service that is connected to, and of another one. After all of them the table is
/// what it was.
const CHANGES: [&str; 11] = [
    "-a SERVICE -r SERVER:92 -m -w 2",
    "-e SERVICE -r SERVER:92 -m -w 5",
    "-E SERVICE -s wrr",
    "-e SERVICE -r SERVER:91 -m -w 3",
    "-d SERVICE -r SERVER:92",
    "-E SERVICE -s rr",
    "-e SERVICE -r SERVER:91 -m -w 1",
    "-A OTHER -s mh",
    "-a OTHER -r SERVER:93 -m -w 1",
    "-E OTHER -s wlc -p 60",
    "-D OTHER",
];
/// The words in them, in each family.
const FAMILIES: [[(&str, &str); 3]; 2] = [
    [
        ("SERVICE", "-t 10.9.0.1:80"),
        ("SERVER", "127.0.0.11"),
        ("OTHER", "-u 10.9.0.2:53"),
    ],
    [
        ("SERVICE", "-t [fd00:9::1]:80"),
        ("SERVER", "[::1]"),
        ("OTHER", "-f 7 -6"),
    ],
];

/// The world, and what is known of it. The order of the fields is the order in which they go.
struct World {
    client: Conversation,
    traffic: Traffic,
    absences: Absences,
    ledger: Ledger,
    killed: u32,
    _servers: Vec<Server>,
    testbed: Testbed,
}

impl World {
    fn new() -> Self {
        let testbed = Testbed::new();
        let mut world = Self {
            client: testbed.talk("sockvs-neli-client"),
            traffic: Traffic::default(),
            absences: Absences::default(),
            ledger: Ledger::default(),
            killed: 0,
            _servers: Vec::new(),
            testbed,
        };
        for words in FAMILIES {
            let [(_, service), (_, host), _] = words;
            let names: Vec<String> = [91, 92].map(|port| format!("{host}:{port}")).into();
            for name in &names {
                world._servers.push(world.testbed.server(name, name));
            }
            world.must(&format!("-A {service} -s rr"));
            world.must(&format!("-a {service} -r {} -m -w 1", names[0]));
            let address = service.trim_start_matches("-t ");
            world.traffic.begin(&world.testbed, address, &names);
        }
        world
    }

    fn must(&mut self, change: &str) {
        self.client.must(change);
        self.ledger.apply(change);
    }

    /// What the table holds now.
    fn found(&self) -> BTreeSet<String> {
        let saved = self.testbed.client().saved();
        saved.lines().map(str::to_owned).collect()
    }

    /// Kills the daemon at this step of a change. Whether the change took as many steps.
    fn kill_within(&mut self, change: &str, step: u32) -> bool {
        let killer = SyscallKiller::begin(self.testbed.daemon.pid(), step);
        let answer = self.client.ask(change);
        let mut after = self.ledger.clone();
        after.apply(change);
        self.testbed.daemon.kill();
        let killed = killer.has_killed();
        self.testbed.daemon.start_again();
        let found = self.found();
        let told = format!("{change}, killed at step {step}, the answer was {answer:?}");
        if found == after.lines() {
            self.ledger = after;
        } else {
            assert!(
                answer.is_err(),
                "{told}: it was said to be done, but is not: {found:#?}"
            );
            assert_eq!(found, self.ledger.lines(), "{told}: half of it is there");
            self.must(change);
        }
        self.count_kill();
        killed
    }

    /// Kills the daemon at this step of the start of a version; then starts another one. Whether
    /// the start took as many steps.
    fn kill_while_starting(&mut self, step: u32, [version, next]: [Version; 2]) -> bool {
        self.testbed.daemon.kill();
        self.testbed.daemon.begin_again_as(version);
        let killer = SyscallKiller::begin(self.testbed.daemon.pid(), step);
        let killed = loop {
            if self.testbed.daemon.has_ended() {
                break true;
            }
            if self.testbed.daemon.is_ready() {
                break false;
            }
            thread::sleep(Duration::from_millis(2));
        };
        self.testbed.daemon.kill();
        let killed = killer.has_killed() && killed;
        self.testbed.daemon.start_again_as(next);
        let found = self.found();
        assert_eq!(
            found,
            self.ledger.lines(),
            "{version:?} killed at step {step} of its start, then {next:?}"
        );
        self.count_kill();
        killed
    }

    fn count_kill(&mut self) {
        self.killed += 1;
        if self.killed.is_multiple_of(LOOK) {
            let tally = self.traffic.look(&self.absences);
            assert_eq!((tally.failed, tally.wrong), (0, 0), "{tally}");
            println!("killed {} times, {} connections", self.killed, tally.made);
        }
    }

    /// All connections were well, and the services have counted them.
    fn expect_all_well(self) {
        let (tally, made) = self.traffic.end(&self.absences);
        println!("killed {} times\n{tally}", self.killed);
        assert_eq!((tally.failed, tally.wrong), (0, 0), "{tally}");
        let listed = listing::read(&self.testbed.ipvsadm("-Ln --stats --exact"));
        for (service, made) in made {
            let address = service.parse().expect("an address");
            let line = listed
                .iter()
                .find(|line| line.service == address && line.server.is_none());
            let counted = line.map(|line| line.numbers[0]);
            assert_eq!(counted, Some(made), "connections of {service}");
        }
    }
}

fn kills() -> u32 {
    variable::number("SOCKVS_TEST_KILLS").unwrap_or(KILLS)
}

#[test]
fn an_interrupted_change_is_complete_or_absent_and_connections_continue() {
    let mut world = World::new();
    let changes: Vec<String> = FAMILIES
        .iter()
        .flat_map(|words| {
            CHANGES.iter().map(|change| {
                let put =
                    |text: String, (word, meaning): &(&str, &str)| text.replace(word, meaning);
                words.iter().fold((*change).to_owned(), put)
            })
        })
        .collect();
    let kills = kills();
    let mut within = 0;
    // 37 and the number of changes have no divisor in common with the number of steps: in the end
    // each change was cut short at each step.
    for (kill, change) in (0..kills).zip(changes.iter().cycle()) {
        let step = 1 + kill * 37 % STEPS_OF_A_CHANGE;
        within += u32::from(world.kill_within(change, step));
    }
    println!("{within} times within a change, or soon after");
    assert!(
        within > kills / 4,
        "only {within} of {kills} kills were within a change"
    );
    world.expect_all_well();
}

/// Kills starts of these versions, one after another, and lets one of the versions behind them
/// start.
fn cut_starts_short(versions: &[[Version; 2]]) {
    let mut world = World::new();
    let kills = kills() / 2;
    let mut within = 0;
    for (kill, versions) in (0..kills).zip(versions.iter().cycle()) {
        let step = 1 + kill * STEPS_OF_A_START / kills;
        within += u32::from(world.kill_while_starting(step, *versions));
    }
    println!("{within} times within a start");
    assert!(
        within > kills / 8,
        "only {within} of {kills} kills were within a start"
    );
    world.expect_all_well();
}

#[test]
fn an_interrupted_start_loses_nothing_and_connections_continue() {
    cut_starts_short(&[[Version::This; 2]]);
}

#[test]
fn an_interrupted_upgrade_loses_nothing_and_connections_continue() {
    use Version::{OtherLayout, This};
    // Carried on, given up, the way back, and that one given up.
    cut_starts_short(&[
        [OtherLayout, OtherLayout],
        [This, OtherLayout],
        [This, This],
        [OtherLayout, This],
    ]);
}
