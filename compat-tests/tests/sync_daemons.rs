//! Sync daemons outlive the daemon, as all else that was programmed does.

use compat_tests::Testbed;

const DAEMONS: [(&str, &str); 2] = [
    (
        "--start-daemon master --mcast-interface lo --syncid 7",
        "master sync daemon (mcast=lo, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)",
    ),
    (
        "--start-daemon backup --mcast-interface lo --syncid 255 --sync-maxlen 1400 \
         --mcast-group ff02::81 --mcast-port 999 --mcast-ttl 3",
        "backup sync daemon (mcast=lo, syncid=255, maxlen=1400, group=ff02::81, port=999, ttl=3)",
    ),
];

#[test]
fn a_killed_daemons_successor_lists_the_same_sync_daemons() {
    let mut testbed = Testbed::new();
    for (start, _) in DAEMONS {
        testbed.ipvsadm(start);
    }
    expect(&testbed, &DAEMONS.map(|(_, listed)| listed));
    testbed.daemon.kill();
    testbed.daemon.start_again();
    expect(&testbed, &DAEMONS.map(|(_, listed)| listed));

    let again = testbed.client().try_ipvsadm(DAEMONS[0].0);
    assert!(
        !again.status.success(),
        "one that runs starts again: {again}"
    );
    testbed.ipvsadm("--stop-daemon master");
    testbed.ipvsadm("-C");
    testbed.daemon.kill();
    testbed.daemon.start_again();
    expect(&testbed, &[DAEMONS[1].1]);
    testbed.ipvsadm("--stop-daemon backup");
    testbed.daemon.kill();
    testbed.daemon.start_again();
    expect(&testbed, &[]);
}

#[track_caller]
fn expect(testbed: &Testbed, daemons: &[&str]) {
    let listed = testbed.ipvsadm("-L -n --daemon");
    let listed: Vec<_> = listed.lines().map(str::trim).collect();
    assert_eq!(listed, daemons);
}
