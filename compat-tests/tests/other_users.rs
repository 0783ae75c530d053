//! No user of the machine keeps its administrators, or other users, from being served.

use std::{fmt::Write as _, thread, time::Duration};

use compat_tests::{
    Testbed, binaries,
    eventually::eventually,
    user::{self, NOBODY, Running},
};
use serde_json::Value;

/// A user's program that changes tables, as root of namespaces of the user's own.
fn flood(testbed: &Testbed, uid: u32, what: &str) -> Running {
    let program = binaries::ours("sockvs-option-flood");
    let program = program.to_string_lossy();
    let mut command =
        user::root_of_its_own(&testbed.place(), uid, testbed.daemon.socket(), &program);
    command.arg(what);
    Running::start(command)
}

/// How many services, or servers, a user can have in one more namespace, until this ends.
fn fill(testbed: &Testbed, uid: u32, what: &str) -> (Running, usize) {
    let mut filling = flood(testbed, uid, what);
    let line = filling.line();
    let Some((count, "ENOSPC")) = line.split_once(' ') else {
        panic!("uid {uid} is refused otherwise: {line:?}");
    };
    (filling, count.parse().expect("a number"))
}

/// Whether users can have tables of their own. Before Linux 6.5 (`SO_PEERPIDFD`) the daemon takes
/// the word of root's `sockvs exec` only, and refuses theirs, which this makes sure of.
fn users_have_tables(testbed: &Testbed) -> bool {
    let release = nix::sys::utsname::uname().expect("the kernel has a name");
    let release = release.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) >= (Some(6), Some(5)) {
        return true;
    }
    assert_eq!(flood(testbed, NOBODY, "services").line(), "0 EPERM");
    false
}

#[test]
fn tables_of_a_user_leave_room_for_those_of_root_and_of_other_users() {
    let testbed = Testbed::with_options(&["--max-services", "80", "--max-servers", "80"]);
    if !users_have_tables(&testbed) {
        return;
    }
    let filled = [NOBODY, NOBODY, NOBODY - 1].map(|uid| fill(&testbed, uid, "services"));
    let counts: Vec<_> = filled.iter().map(|(_, count)| *count).collect();
    let mut rules = String::new();
    for number in 1..=60 {
        let _ = writeln!(rules, "-A -t 10.9.0.{number}:80 -s rr");
    }
    let service = rules.lines().next_back().unwrap_or_default().to_owned();
    testbed.client().restore(&rules);
    assert!(testbed.client().saved().contains(&service));
    let [first, again, other] = counts[..] else {
        panic!("three users' tables: {counts:?}")
    };
    assert!(first > 0 && other > 0, "each user has some: {counts:?}");
    assert_eq!(again, 0, "namespaces of one user count together");

    let (_servers, servers) = fill(&testbed, NOBODY - 2, "servers");
    assert!(servers > 0, "a third user has room, too");
    for number in 1..=60 {
        testbed.ipvsadm(&format!("-a -t 10.9.0.1:80 -r 10.1.{number}.1:80 -m"));
    }
    let log = testbed.daemon.log();
    let refused = "uses its whole share of the services";
    let lines = log.lines().filter(|line| line.contains(refused));
    let users: Vec<_> = lines.collect();
    assert_eq!(users.len(), 2, "one line for each user:\n{log}");
    for (line, uid) in users.iter().zip([NOBODY, NOBODY - 1]) {
        assert!(line.contains(&format!("uid {uid}")), "{line}");
    }
    let status = testbed.daemon.status().expect_success();
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let rooms = status["room"].as_array().expect("how much is in use");
    let services = rooms.iter().find(|room| room["of"] == "services");
    let services = services.expect("among it the services");
    let users = first + other + 1;
    assert_eq!(services["others"], users, "{services}");
    assert_eq!(services["used"], 60 + users, "{services}");
}

#[test]
fn what_a_user_had_is_free_again_when_its_namespace_has_ended() {
    let mut testbed = Testbed::with_options(&["--max-services", "80"]);
    if !users_have_tables(&testbed) {
        return;
    }
    let (filling, first) = fill(&testbed, NOBODY, "services");
    testbed.daemon.kill();
    testbed.daemon.start_again();
    let (_, again) = fill(&testbed, NOBODY, "services");
    assert_eq!(again, 0, "the next daemon knows whose the services are");
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    drop(filling);
    eventually(Duration::from_secs(30), || {
        match fill(&testbed, NOBODY, "services").1 {
            second if second == first => Ok(()),
            second => Err(format!("{second} services, not {first}")),
        }
    });
}

#[test]
fn changes_of_a_user_hide_no_change_of_root_in_the_log() {
    const CHANGES: usize = 24;
    let testbed = Testbed::with_options(&["--log-json"]);
    if !users_have_tables(&testbed) {
        return;
    }
    // As many processes as it takes to have the lines that there are for all.
    let mut flooding = [(); 3].map(|()| flood(&testbed, NOBODY, "changes"));
    for flood in &mut flooding {
        assert_eq!(flood.line(), "flooding");
    }
    for number in 0..CHANGES {
        testbed.ipvsadm(&format!("-A -t 10.8.0.{}:80 -s rr", number + 1));
        thread::sleep(Duration::from_millis(400));
    }
    drop(flooding);
    let log = testbed.daemon.log();
    let lines = log.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        line["fields"].clone()
    });
    let changed: Vec<_> = lines.filter(|line| line["message"] == "changed").collect();
    let (of_root, of_user): (Vec<_>, Vec<_>) =
        changed.iter().partition(|line| line["owner"].is_null());
    let named = (1..=CHANGES).filter(|number| {
        let service = format!("TCP 10.8.0.{number}:80");
        of_root.iter().any(|line| line["service"] == service)
    });
    assert_eq!(named.count(), CHANGES, "each of root's changes is named");
    assert!(!of_user.is_empty(), "the user's are, too");
    let owner = format!("uid {NOBODY}");
    for line in of_user {
        assert_eq!(line["owner"], owner, "{line}");
    }
}
