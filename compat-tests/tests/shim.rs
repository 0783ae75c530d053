//! `sockvs shim`: plain `ipvsadm` is served where clients have to run under `sockvs exec`.

use std::{env, fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use compat_tests::{Intercept, Outcome, Testbed, binaries, program};

/// A testbed, and a folder for shims that comes first on the `PATH` of its shell.
struct Shims {
    testbed: Testbed,
    dir: PathBuf,
}

impl Shims {
    fn new() -> Self {
        let testbed = Testbed::new();
        let dir = testbed.folder.path().join("it's a folder");
        fs::create_dir(&dir).expect("cannot make a folder");
        Self { testbed, dir }
    }

    /// Runs a program that is not wrapped.
    fn run(&self, program: &str, arguments: &[&str]) -> Outcome {
        let mut command: Command = self.testbed.client().unwrapped(program);
        let usual = env::var_os("PATH").unwrap_or_default();
        let folders = [self.dir.clone()]
            .into_iter()
            .chain(env::split_paths(&usual));
        command.env("PATH", env::join_paths(folders).expect("no colons"));
        command.env("SOCKVS_SOCKET", self.testbed.daemon.socket());
        command.args(arguments);
        program::run(command)
    }

    fn shim(&self, words: &[&str]) -> Outcome {
        let dir = self.dir.to_string_lossy();
        let sockvs = binaries::ours("sockvs");
        let arguments = [&["shim", "--dir", &dir], words].concat();
        self.run(&sockvs.to_string_lossy(), &arguments)
    }

    /// A line in a root shell.
    fn shell(&self, line: &str) -> Outcome {
        self.run("sh", &["-c", line])
    }

    /// What is in the folder.
    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(&self.dir).expect("the folder is there");
        files
            .map(|file| file.expect("it is read").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }
}

#[test]
fn plain_ipvsadm_is_served_until_its_shim_is_removed() {
    let shims = Shims::new();
    shims
        .shim(&["install", "--force", "ipvsadm"])
        .expect_success();
    // Made anew, it still leads to the program and not to itself.
    shims
        .shim(&["install", "--force", "ipvsadm"])
        .expect_success();
    let listed = shims.shim(&["list"]).expect_success();
    let real = binaries::installed("ipvsadm");
    assert_eq!(
        listed,
        format!("{}/ipvsadm -> {}\n", shims.dir.display(), real.display())
    );

    shims
        .shell("printf -- '-A -t 10.9.0.1:80 -s rr\\n' | ipvsadm -R")
        .expect_success();
    assert_eq!(
        shims.shell("ipvsadm -S -n").expect_success(),
        shims.testbed.client().saved()
    );
    let wrong = shims.shell("ipvsadm -A -t 10.9.0.1:80 -s rr");
    assert_eq!(wrong.stderr, "Service already exists\n", "{wrong}");
    assert_ne!(wrong.code(), Some(0));

    shims.shim(&["remove", "ipvsadm"]).expect_success();
    assert_eq!(shims.files(), [""; 0], "it leaves nothing behind");
    let again = shims.shim(&["remove", "ipvsadm"]);
    assert!(again.stderr.contains("there is no shim"), "{again}");
}

#[test]
fn a_shim_within_sockvs_exec_is_served_once() {
    let shims = Shims::new();
    shims
        .shim(&["install", "--force", "ipvsadm"])
        .expect_success();
    let sockvs = binaries::ours("sockvs");
    let line = "ipvsadm -A -t 10.9.0.1:80 -s rr && ipvsadm -S -n";
    let nested = shims.run(&sockvs.to_string_lossy(), &["exec", "--", "sh", "-c", line]);
    assert_eq!(nested.expect_success(), "-A -t 10.9.0.1:80 -s rr\n");
}

#[test]
fn no_shim_is_installed_where_all_clients_are_intercepted() {
    let shims = Shims::new();
    let made = shims.shim(&["install", "ipvsadm"]).expect_success();
    match Intercept::chosen() {
        Intercept::Bpf => {
            assert!(made.starts_with("not needed: "), "{made}");
            assert_eq!(shims.files(), [""; 0]);
            shims.shell("ipvsadm -A -t 10.9.0.1:80").expect_success();
        }
        Intercept::Seccomp => {
            assert_eq!(shims.files(), ["ipvsadm"], "{made}");
            // What the shim is for: the program itself is not served.
            let real = binaries::installed("ipvsadm");
            let unserved = shims.run(&real.to_string_lossy(), &["-A", "-t", "10.9.0.1:80"]);
            assert_ne!(unserved.code(), Some(0), "{unserved}");
        }
    }
}

#[test]
fn files_made_by_others_are_left_alone() {
    let shims = Shims::new();
    let own = shims.dir.join("ipvsadm");
    let (script, aim) = ("#!/bin/sh\necho mine\n", "/usr/sbin/ipvsadm");
    let put: [&dyn Fn() -> std::io::Result<()>; 3] =
        [&|| fs::write(&own, script), &|| symlink(aim, &own), &|| {
            fs::create_dir(&own)
        }];
    for put in put {
        put().expect("the folder is the test's own");
        for verb in [&["install", "--force"][..], &["remove"]] {
            let refused = shims.shim(&[verb, &["ipvsadm"]].concat());
            assert!(
                refused.stderr.contains("was not made by sockvs shim"),
                "{refused}"
            );
            assert_eq!(refused.code(), Some(1));
        }
        assert_eq!(shims.shim(&["list"]).expect_success(), "");
        let kept = fs::symlink_metadata(&own).expect("it is still there");
        if kept.is_dir() {
            continue;
        }
        if kept.is_file() {
            assert_eq!(fs::read_to_string(&own).expect("it is text"), script);
        }
        fs::remove_file(&own).expect("it is still there");
    }
}

#[test]
fn only_programs_on_the_path_get_a_shim() {
    let shims = Shims::new();
    for (name, complaint) in [
        ("sockvs-test-no-such-program", "is not on PATH outside of"),
        ("/usr/sbin/ipvsadm", "is not the name of a program"),
        ("..", "is not the name of a program"),
        ("", "is not the name of a program"),
    ] {
        let refused = shims.shim(&["install", "--force", name]);
        assert!(refused.stderr.contains(complaint), "{name:?}: {refused}");
        assert_eq!(refused.code(), Some(1));
    }
    assert_eq!(shims.files(), [""; 0]);
}
