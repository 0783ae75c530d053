//! A program whose memory changes while it is read gains nothing by it: a call is carried out as
//! some version of the memory has it, by the rights of who makes it, or not at all.

use std::{process::Command, thread, time::Duration};

use compat_tests::{Outcome, Testbed, binaries, program};

/// What is rewritten. The first ones change what is said, the others where it is.
const CHANGES: [&str; 8] = [
    "message",
    "length",
    "piece",
    "header",
    "vector",
    "access",
    "descriptor",
    "option",
];
/// For how long each of them goes on.
const MILLISECONDS: &str = "400";
/// What the message adds.
const SERVICE: &str = "-A -t 10.9.0.1:80 -s rr\n";

#[test]
fn a_call_is_carried_out_as_one_version_of_its_memory_or_not_at_all() {
    let testbed = Testbed::new();
    let outcome = program::run(changing_memory(
        &testbed,
        &CHANGES,
        testbed.client().command(&path()),
    ));
    expect_no_fault(&outcome);
    assert_eq!(testbed.client().saved(), SERVICE);
    is_unharmed(&testbed);
}

#[test]
fn a_program_without_rights_gains_none_by_changing_its_memory() {
    let testbed = Testbed::new();
    let mut command = testbed.client().command("setpriv");
    command
        .args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"])
        .arg(path());
    let outcome = program::run(changing_memory(&testbed, &CHANGES, command));
    expect_no_fault(&outcome);
    let refused = format!("message: answered {:?}: ", nix::errno::Errno::EPERM);
    assert!(outcome.stdout.contains(&refused), "{outcome}");
    assert_eq!(testbed.client().saved(), "");
    is_unharmed(&testbed);
}

#[test]
fn a_program_that_is_killed_meanwhile_disturbs_no_other() {
    let testbed = Testbed::new();
    for change in CHANGES {
        let command = testbed.client().command(&path());
        let mut command = changing_memory(&testbed, &[change], command);
        let mut child = command
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        thread::sleep(Duration::from_millis(150));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
    }
    let saved = testbed.client().saved();
    assert!(["", SERVICE].contains(&saved.as_str()), "{saved}");
    is_unharmed(&testbed);
}

fn path() -> String {
    let path = binaries::ours("sockvs-changing-memory");
    path.to_string_lossy().into_owned()
}

/// The program, by a command that ends with its path.
fn changing_memory(testbed: &Testbed, changes: &[&str], mut command: Command) -> Command {
    let family = testbed.raw_client().family();
    command
        .arg(family.to_string())
        .arg(MILLISECONDS)
        .args(changes);
    command
}

#[track_caller]
fn expect_no_fault(outcome: &Outcome) {
    assert!(outcome.status.success(), "{outcome}");
    assert!(!outcome.stdout.contains("wrong"), "{outcome}");
    for change in CHANGES {
        let told: Vec<_> = outcome
            .stdout
            .lines()
            .filter(|line| line.starts_with(&format!("{change}: ")))
            .collect();
        assert!(
            told.len() >= 2,
            "nothing changed while a call was made: {told:?}"
        );
    }
}

#[track_caller]
fn is_unharmed(testbed: &Testbed) {
    let log = testbed.daemon.log();
    assert!(!log.contains("panicked"), "{log}");
    testbed.ipvsadm("-A -t 10.9.0.99:80 -s rr");
}
