//! `sockvsd --detach-all` leaves nothing of ours on the machine.

use std::time::Duration;

use compat_tests::{
    Testbed,
    bpf_objects::{BpfObjects, attached_to},
    daemon::detach_all,
    eventually::eventually,
};
use nix::errno::Errno;

#[test]
fn no_program_map_link_or_file_is_left() {
    let mut testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:80");
    testbed.client().restore(
        "-A -t 10.9.0.1:80 -s rr -p 60\n-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m\n\
         -A -u 10.9.0.1:53 -s mh\n-a -u 10.9.0.1:53 -r 127.0.0.11:53 -m\n",
    );
    testbed.ipvsadm("--set 10 20 30");
    testbed.ipvsadm("--start-daemon master --mcast-interface lo");
    let mut application = testbed.application();
    assert_eq!(application.connect("10.9.0.1:80"), Ok("A".to_owned()));
    let ours = BpfObjects::of(testbed.daemon.pid(), testbed.daemon.pin_dir());
    assert_eq!(ours.remaining(), ours, "bpftool knows all of them");

    // It cannot clear up after itself.
    testbed.daemon.kill();
    let kept = ours.remaining();
    assert!(
        [&kept.programs, &kept.maps, &kept.links]
            .iter()
            .all(|kind| kind.len() >= 10),
        "what a daemon leaves: {kept:?}"
    );
    assert_eq!(attached_to(testbed.cgroup.path()).len(), 10);
    assert_eq!(application.connect("10.9.0.1:80"), Ok("A".to_owned()));

    let pins = testbed.daemon.pin_dir();
    detach_all(pins, testbed.daemon.socket()).expect_success();
    assert!(!pins.exists(), "{} is left", pins.display());
    assert!(attached_to(testbed.cgroup.path()).is_empty());
    // The kernel takes things apart when no reader can have a reference to them any more.
    eventually(Duration::from_secs(20), || match ours.remaining() {
        left if left == BpfObjects::default() => Ok(()),
        left => Err(format!("{left:?}")),
    });
    let sockets = || {
        let files = std::fs::read_dir(testbed.folder.path()).expect("the test's folder");
        let names = files.flatten().map(|file| file.file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names
            .filter(|name| name.contains(".sock"))
            .collect::<Vec<_>>()
    };
    assert_eq!(sockets(), [""; 0], "sockets without a listener");
    assert_eq!(
        application.connect("10.9.0.1:80"),
        Err(Errno::ENETUNREACH),
        "there is no such address"
    );
    detach_all(pins, testbed.daemon.socket()).expect_success();
}
