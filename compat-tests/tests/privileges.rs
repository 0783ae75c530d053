//! Who may not administer the network gets what the kernel gives: EPERM, and nothing changes.

use std::process::Command;

use compat_tests::{Outcome, Testbed, program, static_client};

const TABLE: &str = "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.1.0.11:80 -m -w 1\n";
/// What ipvsadm says to EPERM, on any kernel.
const REFUSED: &str = "Permission denied (you must be root)";

#[test]
fn a_client_that_gives_up_its_rights_is_refused() {
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let none = ["--bounding-set", "-all", "--inh-caps", "-all"];
    refused("setpriv", &[&nobody[..], &none].concat());
}

#[test]
fn root_without_the_capability_is_refused() {
    refused(
        "setpriv",
        &["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"],
    );
}

#[test]
fn root_of_another_user_namespace_is_refused() {
    refused("unshare", &["--user", "--map-root-user"]);
}

#[test]
fn a_client_that_never_had_rights_is_refused() {
    let testbed = Testbed::new();
    testbed.client().restore(TABLE);
    let client = static_client::build(&testbed.folder);
    // The wrapper, too, runs without them.
    let run = |program: &str, arguments: &[&str]| {
        let mut command = testbed.client().unwrapped("setpriv");
        command.args(["--bounding-set", "-all", "--inh-caps", "-all"]);
        command
            .args(testbed.client().words(program))
            .args(arguments);
        program::run(command)
    };
    expect_refusals(&run, &client.to_string_lossy());
    assert_eq!(testbed.client().saved(), TABLE, "the table afterwards");
}

/// With rights given up by `program` on the way, nothing may be read or changed.
#[track_caller]
fn refused(program: &str, arguments: &[&str]) {
    let testbed = Testbed::new();
    testbed.client().restore(TABLE);
    let client = static_client::build(&testbed.folder);
    let run = |unprivileged: &str, its_arguments: &[&str]| {
        let mut command: Command = testbed.client().command(program);
        command
            .args(arguments)
            .arg(unprivileged)
            .args(its_arguments);
        program::run(command)
    };
    expect_refusals(&run, &client.to_string_lossy());
    assert_eq!(testbed.client().saved(), TABLE, "the table afterwards");
}

#[track_caller]
fn expect_refusals(run: &dyn Fn(&str, &[&str]) -> Outcome, static_client: &str) {
    let info = run(static_client, &["info"]);
    assert_eq!(info.stdout, format!("errno {}\n", libc::EPERM), "{info}");
    for arguments in [
        &["-Ln"][..],
        &["-C"],
        &["-A", "-t", "10.9.0.2:80", "-s", "rr"],
    ] {
        let outcome = run("ipvsadm", arguments);
        assert!(
            !outcome.status.success() && outcome.stderr.contains(REFUSED),
            "ipvsadm is not refused: {outcome}"
        );
    }
}
