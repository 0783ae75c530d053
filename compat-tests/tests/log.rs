//! The log tells an operator who changed what, and no user can fill it.

use std::time::Duration;

use compat_tests::{Testbed, binaries, eventually::eventually, program, rule::many_services};
use serde_json::Value;

#[test]
fn each_change_is_logged_with_its_author() {
    let testbed = Testbed::with_options(&["--log-json"]);
    let (service, server) = ("TCP 10.9.0.1:80", "10.1.0.11:80");
    let changes: [(&str, &str, Option<&str>, Option<&str>); 9] = [
        ("-A -t 10.9.0.1:80 -s rr", "NewService", Some(service), None),
        (
            "-E -t 10.9.0.1:80 -s wrr",
            "SetService",
            Some(service),
            None,
        ),
        (
            "-a -t 10.9.0.1:80 -r 10.1.0.11:80 -m",
            "NewDest",
            Some(service),
            Some(server),
        ),
        (
            "-e -t 10.9.0.1:80 -r 10.1.0.11:80 -m -w 5",
            "SetDest",
            Some(service),
            Some(server),
        ),
        (
            "-d -t 10.9.0.1:80 -r 10.1.0.11:80",
            "DelDest",
            Some(service),
            Some(server),
        ),
        ("-Z -t 10.9.0.1:80", "Zero", Some(service), None),
        ("-D -t 10.9.0.1:80", "DelService", Some(service), None),
        ("--set 10 20 30", "SetConfig", None, None),
        ("-C", "Flush", None, None),
    ];
    for (arguments, ..) in changes {
        testbed.ipvsadm(arguments);
    }
    // Neither reading nor what is refused changes anything.
    testbed.ipvsadm("-Ln");
    let refused = testbed.client().try_ipvsadm("-D -t 10.9.0.1:80");
    assert!(!refused.status.success(), "{refused}");

    let told = told(&testbed, "changed");
    let of = |field: &str| -> Vec<Option<&str>> {
        told.iter().map(|line| line[field].as_str()).collect()
    };
    assert_eq!(of("change"), changes.map(|(_, change, ..)| Some(change)));
    assert_eq!(of("service"), changes.map(|(.., service, _)| service));
    assert_eq!(of("server"), changes.map(|(.., server)| server));
    for line in &told {
        assert_eq!(line["command"], "ipvsadm", "{line}");
        assert!(line["pid"].as_u64().is_some_and(|pid| pid > 1), "{line}");
        assert!(line["namespace"].is_u64(), "{line}");
    }
}

#[test]
fn a_changed_sysctl_is_logged_with_its_new_value() {
    let testbed = Testbed::with_options(&["--log-json"]);
    let mut command = testbed.place().command(binaries::ours("sockvs"));
    command.arg("--socket").arg(testbed.daemon.socket());
    command.args(["setting", "conn_reuse_mode=0"]);
    program::run(command).expect_success();
    let told = told(&testbed, "changed");
    let [line] = told.as_slice() else {
        panic!("not one line: {told:?}")
    };
    assert_eq!(line["change"], "conn_reuse_mode=\"0\"", "{line}");
    assert_eq!(line["command"], "sockvs", "{line}");
}

#[test]
fn many_changes_of_one_client_are_summarised_in_the_log() {
    const SERVICES: u32 = 1500;
    let testbed = Testbed::with_options(&["--log-json"]);
    testbed.client().restore(&many_services(SERVICES));
    testbed.ipvsadm("-A -t 10.9.100.1:80 -s rr");
    // Its lines come in one period or in two.
    eventually(Duration::from_secs(20), || {
        let lines = told(&testbed, "changed");
        let few = lines.len();
        let more: u64 = told(&testbed, "changed more than is told one by one")
            .iter()
            .filter_map(|line| line["changes"].as_u64())
            .sum();
        let all = u64::try_from(few).expect("few lines") + more;
        let last = lines.last().map(|line| line["service"].clone());
        if (few, all) == (few.min(300), u64::from(SERVICES) + 1)
            && last == Some("TCP 10.9.100.1:80".into())
        {
            Ok(())
        } else {
            Err(format!("{few} lines, {more} more, at last {last:?}"))
        }
    });
}

/// The lines of this message, of a log of which each line is JSON.
#[track_caller]
fn told(testbed: &Testbed, message: &str) -> Vec<Value> {
    let log = testbed.daemon.log();
    let lines = log.lines().map(|line| {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}"));
        assert!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
        line["fields"].clone()
    });
    lines
        .filter(|fields| fields["message"] == message)
        .collect()
}
