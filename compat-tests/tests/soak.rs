//! Connects and edits at full rate, while the daemon is killed or stopped every few seconds, and
//! started again, perhaps as a version whose maps have another layout.
//!
//! `SOCKVS_TEST_SOAK` says for how many minutes; without it, for some seconds. `SOCKVS_TEST_SEED`
//! says which edits there are.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use compat_tests::{
    Client, Conversation, Ledger, Testbed, Traffic, daemon::Version, ledger::lines_of,
    random::Random, rule::Key, traffic::Absences, variable,
};

const DEFAULT_SECONDS: f64 = 12.0;
const SEED: u64 = 1998;
/// How many services each editor has of each family.
const SERVICES: u16 = 2;
/// The servers of a service: the first one stays, the others come and go.
const SERVERS: [u16; 4] = [1, 2, 3, 4];
const SCHEDULERS: [&str; 8] = ["rr", "wrr", "wlc", "lc", "sed", "mh", "sh", "lblcr"];

/// The client that edits.
enum Hand {
    /// With one socket for all edits.
    Neli(Conversation),
    /// With a new process for each.
    Ipvsadm(Client),
}

impl Hand {
    /// Asks for a change: whether the answer was that it is done.
    fn ask(&mut self, change: &str) -> bool {
        match self {
            Self::Neli(client) => client.ask(change).is_ok(),
            Self::Ipvsadm(client) => client.try_ipvsadm(change).status.success(),
        }
    }
}

/// The daemon's lives: odd while there is none, or none that serves yet.
#[derive(Default)]
struct Lives(AtomicU64);

impl Lives {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn next(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits for a life, and gives its number.
    fn await_life(&self) -> u64 {
        loop {
            let life = self.now();
            if life.is_multiple_of(2) {
                return life;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// One that edits services of its own, and knows what they should be.
struct Editor<'w> {
    number: u16,
    hand: Hand,
    /// To look at the table with.
    client: Client,
    ledger: Ledger,
    random: Random,
    lives: &'w Lives,
    absences: &'w Absences,
    edits: u64,
    unsure: u64,
    mismatches: Vec<String>,
}

/// A service's address, and the names and addresses of its servers.
fn service(editor: u16, nth: u16) -> (String, Vec<String>) {
    let port = 8000 + 100 * editor + 10 * nth;
    if nth.is_multiple_of(2) {
        let servers = SERVERS.map(|server| format!("127.0.{}.{server}:{port}", editor + 1));
        (format!("10.9.{editor}.{nth}:80"), servers.into())
    } else {
        let servers = SERVERS.map(|server| format!("[::1]:{}", port + server));
        (format!("[fd00:9:{}::{nth}]:80", editor + 1), servers.into())
    }
}

impl Editor<'_> {
    fn is_own(&self, key: &Key) -> bool {
        (0..2 * SERVICES)
            .any(|nth| key.to_string() == format!("-t {}", service(self.number, nth).0))
            || key.to_string() == self.mark()
    }

    /// A service without connections.
    fn mark(&self) -> String {
        format!("-f {}", self.number + 1)
    }

    /// One more edit, and whatever it takes to know what came of it.
    fn edit(&mut self) {
        let life = self.lives.await_life();
        let nth = self.random.below(2 * SERVICES);
        let (address, servers) = service(self.number, nth);
        let key = format!("-t {address}");
        let server = self.random.one_of(&servers.iter().collect::<Vec<_>>());
        let weight = 1 + self.random.below(9);
        let scheduler = self.random.one_of(&SCHEDULERS);
        let stays = *server == servers[0];
        let (mark, kind) = (self.mark(), self.random.below(8));
        let (mut comes, mut goes) = (false, false);
        let change = if kind == 0 {
            if self.ledger.has(&mark, None) {
                format!("-D {mark}")
            } else {
                format!("-A {mark} -s {scheduler} -p 30")
            }
        } else if kind == 1 {
            format!("-E {key} -s {scheduler}")
        } else if !self.ledger.has(&key, Some(server)) {
            comes = true;
            format!("-a {key} -r {server} -m -w {weight}")
        } else if stays || kind < 5 {
            format!("-e {key} -r {server} -m -w {weight}")
        } else {
            goes = true;
            format!("-d {key} -r {server}")
        };
        let name = server.clone();
        if comes {
            self.absences.end(&name);
        }
        let done = self.hand.ask(&change);
        self.edits += 1;
        let mut after = self.ledger.clone();
        after.apply(&change);
        if done && self.lives.now() == life {
            self.ledger = after;
        } else {
            self.unsure += 1;
            self.find_out(&change, done, after);
        }
        let there = self.ledger.has(&key, Some(&name));
        if (comes || goes) && !there {
            self.absences.begin(&name);
        }
    }

    /// An edit may have been done or not: now it must be the one or the other.
    fn find_out(&mut self, change: &str, done: bool, after: Ledger) {
        let found = loop {
            let life = self.lives.await_life();
            let saved = self.client.try_ipvsadm("-S -n");
            if saved.status.success() && self.lives.now() == life {
                break lines_of(&saved.stdout, |key| self.is_own(key));
            }
        };
        if found == after.lines() {
            self.ledger = after;
        } else if found != self.ledger.lines() || done {
            self.mismatches.push(format!(
                "after {change}, answered {done}: {found:?}, but before it was {:?}",
                self.ledger.lines()
            ));
        }
    }

    /// Compares what should be there with what is.
    fn compare(&mut self) {
        let found = lines_of(&self.client.saved(), |key| self.is_own(key));
        if found != self.ledger.lines() {
            let expected = self.ledger.lines();
            self.mismatches
                .push(format!("at last: {found:?}, not {expected:?}"));
        }
    }
}

#[test]
fn no_connection_fails_and_no_edit_is_lost_while_the_daemon_is_killed_repeatedly() {
    let minutes = variable::number::<f64>("SOCKVS_TEST_SOAK");
    let seconds = minutes.map_or(DEFAULT_SECONDS, |minutes| minutes * 60.0);
    let seed = variable::number("SOCKVS_TEST_SEED").unwrap_or(SEED);
    println!("SOCKVS_TEST_SEED={seed}");
    let mut testbed = Testbed::new();
    let (lives, absences, over) = (
        Lives::default(),
        Absences::default(),
        AtomicBool::new(false),
    );
    let mut traffic = Traffic::default();
    let mut servers = Vec::new();
    let mut editors = Vec::new();
    for number in 0..2 {
        let hand = if number == 0 {
            Hand::Neli(testbed.talk("sockvs-neli-client"))
        } else {
            Hand::Ipvsadm(testbed.client_in(&testbed.namespace))
        };
        let mut editor = Editor {
            number,
            hand,
            client: testbed.client_in(&testbed.namespace),
            ledger: Ledger::default(),
            random: Random::new(seed + u64::from(number)),
            lives: &lives,
            absences: &absences,
            edits: 0,
            unsure: 0,
            mismatches: Vec::new(),
        };
        for nth in 0..2 * SERVICES {
            let (address, names) = service(number, nth);
            for change in [
                format!("-A -t {address} -s rr"),
                format!("-a -t {address} -r {} -m -w 1", names[0]),
            ] {
                testbed.ipvsadm(&change);
                editor.ledger.apply(&change);
            }
            servers.extend(names.iter().map(|name| testbed.server(name, name)));
            names[1..].iter().for_each(|name| absences.begin(name));
            traffic.begin(&testbed, &address, &names);
        }
        editors.push(editor);
    }
    let mut random = Random::new(seed ^ 0x5eed);
    let (start, mut deaths, mut upgrades) = (Instant::now(), 0, 0);
    let mut last = Version::This;
    thread::scope(|scope| {
        for editor in &mut editors {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    editor.edit();
                }
            });
        }
        while start.elapsed().as_secs_f64() < seconds {
            thread::sleep(Duration::from_millis(u64::from(300 + random.below(3000))));
            lives.next();
            if random.once_in(4) {
                testbed.daemon.stop();
            } else {
                testbed.daemon.kill();
            }
            if random.once_in(2) {
                thread::sleep(Duration::from_millis(random.below(400).into()));
            }
            let version = random.one_of(&[Version::This, Version::This, Version::OtherLayout]);
            testbed.daemon.start_again_as(version);
            upgrades += u64::from(version != last);
            last = version;
            lives.next();
            deaths += 1;
            let tally = traffic.look(&absences);
            if deaths % 10 == 0 {
                let passed = start.elapsed().as_secs();
                println!(
                    "{passed} s, {deaths} ends of the daemon, {} connects",
                    tally.made
                );
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    editors.iter_mut().for_each(Editor::compare);
    let (tally, _) = traffic.end(&absences);
    let sum = |of: fn(&Editor<'_>) -> u64| editors.iter().map(of).sum::<u64>();
    let (edits, unsure) = (sum(|editor| editor.edits), sum(|editor| editor.unsure));
    let mismatches: Vec<&String> = editors
        .iter()
        .flat_map(|editor| &editor.mismatches)
        .collect();
    println!(
        "ends of the daemon: {deaths}, {upgrades} of them for another version\n\
         edits: {edits}, of which {unsure} were cut short"
    );
    println!("{tally}\ntable mismatches: {}", mismatches.len());
    assert_eq!((tally.failed, tally.wrong), (0, 0), "{tally}");
    assert!(mismatches.is_empty(), "{mismatches:#?}");
    assert!(
        edits > 20 && deaths > 1,
        "{edits} edits and {deaths} ends of the daemon are too few"
    );
    drop(editors);
    drop(servers);
}
