//! Requests of all clients, unwrapped: those of users keep administrators' from nothing, and those
//! to a daemon that stands still come to an end.

use std::{
    thread,
    time::{Duration, Instant},
};

use compat_tests::{
    Intercept, Testbed, binaries,
    eventually::eventually,
    program,
    user::{self, NOBODY, Running},
};

#[test]
fn requests_of_a_user_do_not_delay_those_of_root() {
    if Intercept::chosen() == Intercept::Seccomp {
        // There they come by another way.
        return;
    }
    let testbed = Testbed::new();
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 10.1.0.1:80 -m");
    let beside = |words: &[&str]| {
        let flood = binaries::ours("sockvs-netlink-flood");
        let mut command = user::command(&testbed.place(), NOBODY, flood);
        command.args(words);
        let mut flooding = Running::start(command);
        assert_eq!(flooding.line(), "flooding");
        thread::sleep(Duration::from_secs(2));
        slowest_listing(&testbed)
    };
    let alone = slowest_listing(&testbed);
    // The flood takes its part of the processors, whichever family is asked.
    let elsewhere = beside(&["4", "elsewhere"]);
    let flooded = beside(&["4"]);
    println!("ipvsadm -Ln takes {alone:?}, beside floods {elsewhere:?} and {flooded:?}");
    // In an emulated machine all takes long; what waits for the flood takes a minute and more.
    let limit = Duration::from_secs(10).max(elsewhere * 3);
    assert!(
        flooded < limit,
        "{flooded:?}, beside requests to another family {elsewhere:?}"
    );
}

/// How long the slowest of some `ipvsadm -Ln` takes.
fn slowest_listing(testbed: &Testbed) -> Duration {
    let listing = |_| {
        let start = Instant::now();
        let listed = testbed.ipvsadm("-Ln");
        assert!(listed.contains("-> 10.1.0.1:80"), "{listed}");
        start.elapsed()
    };
    (0..5).map(listing).max().unwrap_or_default()
}

#[test]
fn an_unresponsive_daemon_counts_as_absent_until_it_responds() {
    if Intercept::chosen() == Intercept::Seccomp {
        // There the wrapper sees to it.
        return;
    }
    let testbed = Testbed::new();
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    let table = testbed.client().saved();
    let unserved = "-A -t 10.9.0.2:80 -s rr";
    for round in 1..=2 {
        testbed.daemon.freeze();
        // Some of these are in the daemon's hands, and some are not.
        let start = Instant::now();
        let waiting = ["-Ln", unserved, "-Ln", "-C"].map(|arguments| {
            let mut command = testbed.client().command("ipvsadm");
            command.args(arguments.split_whitespace());
            thread::spawn(move || (program::run(command), start.elapsed()))
        });
        for waiting in waiting {
            let (outcome, after) = waiting.join().expect("ipvsadm ends");
            assert!(after < Duration::from_secs(15), "{after:?}: {outcome}");
        }
        let start = Instant::now();
        // Now, and from where on the others were refused, it is the kernel's own IPVS.
        testbed.ipvsadm("-C");
        let listed = testbed.ipvsadm("-Ln");
        assert!(!listed.contains("10.9.0.1:80"), "round {round}: {listed}");
        assert!(start.elapsed() < Duration::from_secs(5));

        testbed.daemon.thaw();
        eventually(Duration::from_secs(10), || {
            let saved = testbed.client().try_ipvsadm("-S -n").stdout;
            if saved == table {
                Ok(())
            } else {
                Err(format!("round {round}: {saved}"))
            }
        });
    }
    assert_eq!(testbed.client().saved(), table, "nothing was done later");
    testbed.ipvsadm(unserved);
}
