//! The transparent interceptor beside the kernel's own IPVS: which of them serves whom, and what
//! happens to clients that the daemon is too slow for.

use std::{process::Command, time::Duration};

use compat_tests::{
    Application, Cgroup, Client, Daemon, Folder, Intercept, Namespace, Place, Server, Talk,
    Testbed, binaries, daemon::detach_all, eventually::eventually, name, program, wire,
};
use nix::errno::Errno;

const RULES: &str = "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.9.0.11:80 -m -w 1\n";

#[test]
fn in_another_namespace_the_kernels_own_ipvs_serves_as_ever() {
    let testbed = Testbed::new();
    testbed.ipvsadm("-A -t 10.9.0.2:80 -s wrr");
    let other = Namespace::new();
    for address in ["10.9.0.1/32", "10.9.0.11/32"] {
        other.add_address(address);
    }
    let client = testbed.client_in(&other);
    client.restore(RULES);
    assert_eq!(client.saved(), RULES);
    assert_eq!(kernels_services(&other), 1, "in the kernel's table");
    assert_eq!(
        kernels_services(&testbed.namespace),
        0,
        "the daemon's own namespace is served by the daemon"
    );
    assert_eq!(testbed.client().saved(), "-A -t 10.9.0.2:80 -s wrr\n");

    let address = "10.9.0.11:80".parse().expect("an address and a port");
    let _server = Server::start(&other, "behind the kernel", address, Talk::Greeting);
    let mut application = Application::start(&Place::new(&other), &testbed.folder);
    assert_eq!(
        application.connect("10.9.0.1:80"),
        Ok("behind the kernel".to_owned())
    );
    // The kernel's counters follow every two seconds.
    eventually(Duration::from_secs(20), || {
        let listed = client.ipvsadm("-Ln --stats --exact");
        let mut lines = listed.lines();
        let line = lines.find(|line| line.contains("-> 10.9.0.11:80"));
        match line.and_then(|line| line.split_whitespace().nth(2)) {
            Some("1") => Ok(()),
            _ => Err(format!("the kernel has not counted it:\n{listed}")),
        }
    });
    client.ipvsadm("-C");
}

#[test]
fn a_kernels_table_in_use_is_left_alone_unless_it_is_to_be_replaced() {
    let namespace = Namespace::new();
    let folder = Folder::new();
    let cgroup = Cgroup::new();
    let pins = std::path::Path::new("/sys/fs/bpf").join(name::unique());
    let kernel = Client::new(
        Place::new(&namespace),
        folder.path().join("none"),
        Intercept::Bpf,
    );
    kernel.restore(RULES);
    assert_eq!(kernels_services(&namespace), 1);

    let mut refused = Place::new(&namespace).command(binaries::ours("sockvsd"));
    refused
        .args(["--intercept", "bpf"])
        .arg("--cgroup")
        .arg(cgroup.path());
    refused.arg("--pin-dir").arg(&pins);
    refused
        .arg("--socket")
        .arg(folder.path().join("refused.sock"));
    let outcome = program::run(refused);
    assert_eq!(outcome.code(), Some(1), "{outcome}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    for words in [
        "the kernel's own IPVS has services",
        "ipvsadm -C",
        "--replace-kernel-ipvs",
    ] {
        assert!(outcome.stderr.contains(words), "not {words:?} in {outcome}");
    }
    assert_eq!(kernel.saved(), RULES, "nothing was lost");
    if pins.exists() {
        let outcome = detach_all(&pins, &folder.path().join("refused.sock"));
        panic!("the refused daemon left {}: {outcome}", pins.display());
    }

    let daemon = Daemon::start(
        Place::new(&namespace),
        &cgroup,
        &folder,
        Intercept::Bpf,
        &["--replace-kernel-ipvs"],
    );
    assert_eq!(
        kernels_services(&namespace),
        0,
        "the kernel's table is empty"
    );
    assert_eq!(kernel.saved(), "", "and so is the daemon's");
    kernel.restore(RULES);
    assert_eq!(
        kernels_services(&namespace),
        0,
        "the daemon keeps the new services"
    );
    drop(daemon);
}

#[test]
fn a_sender_that_the_daemon_cannot_keep_up_with_gets_enobufs_and_nothing_hangs() {
    let testbed = Testbed::new();
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    let mut client = testbed.raw_client();
    let family = client.family();
    // A request that is never answered, of a size that fills what there is soon.
    let filler = [wire::generic(200, &[]), vec![0; 60_000]].concat();
    let datagram = wire::message(family, wire::REQUEST, 1, &filler);
    testbed.daemon.freeze();
    let mut refused = None;
    for sent in 0..1000 {
        match client.post(&datagram) {
            Ok(()) => {}
            Err(errno) => {
                refused = Some((sent, errno));
                break;
            }
        }
    }
    testbed.daemon.thaw();
    let (sent, errno) = refused.expect("what is between the kernel and the daemon has an end");
    assert_eq!(errno, Errno::ENOBUFS, "after {sent} datagrams");
    assert!(sent > 0, "the first one fits");
    eventually(Duration::from_secs(20), || {
        let outcome = testbed.client().try_ipvsadm("-S -n");
        if outcome.stdout == "-A -t 10.9.0.1:80 -s rr\n" {
            return Ok(());
        }
        Err(format!("the daemon does not serve again: {outcome}"))
    });
}

/// How many services the kernel's own table of a namespace has.
fn kernels_services(namespace: &Namespace) -> usize {
    let mut command: Command = Place::new(namespace).command("cat");
    command.arg("/proc/thread-self/net/ip_vs");
    let table = program::run(command).expect_success();
    let is_service = |line: &&str| {
        ["TCP", "UDP", "FWM"]
            .iter()
            .any(|kind| line.starts_with(kind))
    };
    table.lines().filter(is_service).count()
}
