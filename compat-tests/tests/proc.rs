//! What IPVS offers beside its protocol: the files in /proc/net, and the settings.

use std::process::Command;

use compat_tests::{Namespace, Outcome, Testbed, binaries, program};

const SERVICE: &str = "-A -t 10.9.0.1:80 -s wrr";
const SERVER: &str = "-a -t 10.9.0.1:80 -r 10.1.0.11:8080 -m -w 3";
const LISTING: &str = "IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A090001:0050 wrr \x20
  -> 0A01000B:1F90      Masq    3      0          0        \x20
";

/// `sockvs` with these words, in the testbed's namespace.
fn sockvs(testbed: &Testbed, words: &[&str]) -> Outcome {
    sockvs_in(testbed, &testbed.namespace, words)
}

fn sockvs_in(testbed: &Testbed, namespace: &Namespace, words: &[&str]) -> Outcome {
    let mut command: Command = testbed
        .place_in(namespace)
        .command(binaries::ours("sockvs"));
    command.arg("--socket").arg(testbed.daemon.socket());
    command.args(words);
    program::run(command)
}

/// What a shell prints under `sockvs exec --proc`.
fn with_files(testbed: &Testbed, script: &str) -> Outcome {
    sockvs(testbed, &["exec", "--proc", "--", "sh", "-c", script])
}

fn programmed() -> Testbed {
    let testbed = Testbed::new();
    testbed.ipvsadm(SERVICE);
    testbed.ipvsadm(SERVER);
    testbed
}

#[test]
fn the_table_is_printed_as_the_kernel_would() {
    let testbed = programmed();
    assert_eq!(sockvs(&testbed, &["proc"]).expect_success(), LISTING);
    let found = with_files(&testbed, "cat /proc/net/ip_vs");
    assert_eq!(found.expect_success(), LISTING);
    let other = Namespace::new();
    let empty = sockvs_in(&testbed, &other, &["proc", "ip_vs"]).expect_success();
    assert_eq!(empty.lines().count(), 3, "another namespace: {empty}");
}

#[test]
fn all_files_are_written_to_a_folder() {
    let testbed = programmed();
    let folder = testbed.folder.path().to_string_lossy().into_owned();
    sockvs(&testbed, &["proc", "--write-to", &folder]).expect_success();
    for name in [
        "ip_vs",
        "ip_vs_app",
        "ip_vs_conn",
        "ip_vs_conn_sync",
        "ip_vs_stats",
        "ip_vs_stats_percpu",
    ] {
        let written = std::fs::read_to_string(testbed.folder.path().join(name)).unwrap();
        let printed = sockvs(&testbed, &["proc", name]).expect_success();
        assert_eq!(written, printed, "{name}");
        let found = with_files(&testbed, &format!("cat /proc/self/net/{name}"));
        assert_eq!(found.expect_success(), printed, "{name}");
    }
    let unknown = sockvs(&testbed, &["proc", "tcp"]);
    assert!(unknown.stderr.contains("ip_vs_stats_percpu"), "{unknown}");
}

#[test]
fn ipvsadm_lists_connections() {
    let testbed = programmed();
    let words = ["exec", "--proc", "--", "ipvsadm", "-Lnc"];
    let found = sockvs(&testbed, &words).expect_success();
    let mut lines = found.lines();
    assert_eq!(lines.next(), Some("IPVS connection entries"), "{found}");
    assert!(
        lines
            .next()
            .unwrap_or_default()
            .starts_with("pro expire state")
    );
}

#[test]
fn settings_are_shown_and_changed_in_their_namespace() {
    let testbed = Testbed::new();
    let set = |words: &[&str]| sockvs(&testbed, &[&["setting"], words].concat());
    let all = set(&[]).expect_success();
    assert_eq!(all.lines().count(), 27, "{all}");
    assert!(all.contains("net.ipv4.vs.conn_reuse_mode = 1\n"), "{all}");
    let changed = set(&["conn_reuse_mode=0", "net.ipv4.vs.sync_threshold=5 100"]);
    assert_eq!(
        changed.expect_success(),
        "net.ipv4.vs.conn_reuse_mode = 0\nnet.ipv4.vs.sync_threshold = 5\t100\n"
    );
    let found = with_files(
        &testbed,
        "cat /proc/sys/net/ipv4/vs/conn_reuse_mode /proc/sys/net/ipv4/vs/sync_threshold",
    );
    assert_eq!(found.expect_success(), "0\n5\t100\n");
    // All of this is about the namespace that the command runs in, wherever the daemon does.
    let other = Namespace::new();
    sockvs_in(&testbed, &other, &["setting", "sloppy_tcp=1"]).expect_success();
    let here = set(&["sloppy_tcp"]).expect_success();
    assert_eq!(here, "net.ipv4.vs.sloppy_tcp = 0\n");
    let there = sockvs_in(
        &testbed,
        &other,
        &[
            "exec",
            "--proc",
            "--",
            "cat",
            "/proc/sys/net/ipv4/vs/sloppy_tcp",
        ],
    );
    assert_eq!(there.expect_success(), "1\n");
    let elsewhere = sockvs_in(&testbed, &other, &["setting", "conn_reuse_mode"]);
    assert_eq!(
        elsewhere.expect_success(),
        "net.ipv4.vs.conn_reuse_mode = 1\n"
    );
}

#[test]
fn an_invalid_setting_is_refused_with_the_valid_values() {
    let testbed = Testbed::new();
    for (word, says) in [
        ("drop_entry=7", "from 0 to 3"),
        ("sync_ports=3", "power of two"),
        ("sloppy_tcp=", "a number"),
        ("nosuch=1", "no such setting"),
    ] {
        let refused = sockvs(&testbed, &["setting", word]);
        assert!(!refused.status.success(), "{refused}");
        assert!(refused.stderr.contains(says), "{refused}");
    }
    let found = sockvs(&testbed, &["setting", "drop_entry"]).expect_success();
    assert_eq!(found, "net.ipv4.vs.drop_entry = 0\n");
}

#[test]
fn while_the_daemon_is_away_there_are_no_files() {
    let mut testbed = programmed();
    testbed.daemon.stop();
    let found = with_files(&testbed, "cat /proc/net/ip_vs");
    assert!(!found.status.success(), "{found}");
    assert!(found.stderr.contains("No such file"), "{found}");
    let told = sockvs(&testbed, &["proc"]);
    assert!(told.stderr.contains("sockvsd is not running"), "{told}");
    let fine = with_files(&testbed, "cat /proc/self/comm");
    assert_eq!(fine.expect_success(), "cat\n");
}
