//! A change of the table reaches connections at once and as a whole.

use std::{
    thread,
    time::{Duration, Instant},
};

use compat_tests::{Testbed, application::Attempt, traffic::now};
use nix::errno::Errno;

const SERVICE: &str = "10.9.0.1:80";
const WHILE: Duration = Duration::from_secs(3);
/// At least so many rounds of edits, however slow the machine is.
const ROUNDS: u32 = 10;

#[test]
fn no_connection_fails_or_reaches_a_removed_server_while_the_table_is_edited() {
    let testbed = Testbed::new();
    let _servers = [
        testbed.server("A", "127.0.0.11:80"),
        testbed.server("B", "127.0.0.12:80"),
        testbed.server("C", "127.0.0.13:80"),
    ];
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s wrr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m -w 1");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.12:80 -m -w 1");
    let mut application = testbed.application();
    application.hammer(SERVICE, 4);

    // When C must not be reached: from the return of its removal to the start of its return.
    let mut without_c: Vec<(u64, u64)> = Vec::new();
    let mut removed = 0;
    let mut client = testbed.talk("sockvs-neli-client");
    let started = Instant::now();
    for round in 0_u32.. {
        if started.elapsed() > WHILE && round >= ROUNDS {
            break;
        }
        without_c.push((removed, now()));
        client.must("-a -t 10.9.0.1:80 -r 127.0.0.13:80 -m -w 3");
        client.must(&format!(
            "-e -t 10.9.0.1:80 -r 127.0.0.11:80 -m -w {}",
            1 + round % 5
        ));
        client.must(&format!(
            "-e -t 10.9.0.1:80 -r 127.0.0.12:80 -m -w {}",
            1 + round % 3
        ));
        if round % 3 == 0 {
            testbed.ipvsadm("-E -t 10.9.0.1:80 -s rr");
            testbed.ipvsadm("-E -t 10.9.0.1:80 -s wrr");
        }
        // With weight 0 it must not be reached either; and every other time it goes at once.
        if round % 2 == 0 {
            client.must("-e -t 10.9.0.1:80 -r 127.0.0.13:80 -m -w 0");
            removed = now();
            client.must("-d -t 10.9.0.1:80 -r 127.0.0.13:80");
        } else {
            client.must("-d -t 10.9.0.1:80 -r 127.0.0.13:80");
            removed = now();
        }
        // Time for connections that must not reach it.
        thread::sleep(Duration::from_millis(10));
    }
    without_c.push((removed, u64::MAX));
    let attempts = application.rest();

    let failed: Vec<&Attempt> = attempts.iter().filter(|a| a.reached.is_err()).collect();
    assert!(
        failed.is_empty(),
        "{} of {} connections failed: {:?}…",
        failed.len(),
        attempts.len(),
        &failed[..failed.len().min(3)]
    );
    let (mut late, mut between) = (Vec::new(), 0);
    for (removed, back) in &without_c {
        for attempt in &attempts {
            if attempt.started > *removed && attempt.ended < *back {
                between += 1;
                if reached(attempt, "C") {
                    late.push(attempt.started - removed);
                }
            }
        }
    }
    assert!(between > 0, "no connection was made while C was away");
    assert!(
        late.is_empty(),
        "{} connections reached C after its removal, {late:?} ns later",
        late.len()
    );
    for name in ["A", "B", "C"] {
        let number = attempts.iter().filter(|a| reached(a, name)).count();
        assert!(
            number > 20,
            "only {number} of {} connections reached {name}",
            attempts.len()
        );
    }
}

#[test]
fn replacing_the_whole_table_never_misdirects_a_connection() {
    let testbed = Testbed::new();
    let _servers = [
        testbed.server("A", "127.0.0.11:80"),
        testbed.server("B", "127.0.0.12:80"),
    ];
    let [first, second] =
        [("10.9.0.1", "127.0.0.11"), ("10.9.0.2", "127.0.0.12")].map(|(service, server)| {
            format!("-A -t {service}:80 -s rr\n-a -t {service}:80 -r {server}:80 -m\n")
        });
    let mut applications = [testbed.application(), testbed.application()];
    applications[0].hammer("10.9.0.1:80", 2);
    applications[1].hammer("10.9.0.2:80", 2);
    let started = Instant::now();
    while started.elapsed() < WHILE / 2 {
        testbed.client().restore(&format!("{first}{second}"));
        testbed.ipvsadm("-C");
        // In the other order, what was the one's may become the other's.
        testbed.client().restore(&format!("{second}{first}"));
        testbed.ipvsadm("-C");
    }
    let [of_first, of_second] = applications
        .each_mut()
        .map(|application| application.rest());
    for (attempts, own) in [(&of_first, "A"), (&of_second, "B")] {
        let reached_own = attempts.iter().filter(|a| reached(a, own)).count();
        // Without the service there is no way to its address; without the server it refuses.
        let known = [Errno::ENETUNREACH, Errno::ECONNREFUSED];
        let refused = attempts
            .iter()
            .filter(|a| a.reached.is_err_and_in(&known))
            .count();
        assert_eq!(
            reached_own + refused,
            attempts.len(),
            "connections of {own} went elsewhere"
        );
        assert!(
            reached_own > 10,
            "only {reached_own} connections reached {own}"
        );
    }
}

trait IsErrAndIn {
    fn is_err_and_in(&self, known: &[Errno]) -> bool;
}

impl IsErrAndIn for Result<String, Errno> {
    fn is_err_and_in(&self, known: &[Errno]) -> bool {
        self.as_ref().is_err_and(|errno| known.contains(errno))
    }
}

fn reached(attempt: &Attempt, name: &str) -> bool {
    attempt.reached.as_deref() == Ok(name)
}
