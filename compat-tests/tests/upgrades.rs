//! A version of the daemon whose maps have another layout takes over, and the table is as it was;
//! then the way back.

use compat_tests::{Testbed, application::Socket, binaries, daemon::Version, program};

/// All that clients see of a table but for rates.
fn told(testbed: &Testbed) -> Vec<String> {
    let of_ipvsadm = [
        "-S -n",
        "-Ln",
        "-Ln --stats --exact",
        "-Ln --thresholds",
        "-L --timeout",
        "-L --daemon",
    ];
    let mut told: Vec<String> = of_ipvsadm.map(|words| testbed.ipvsadm(words)).into();
    let mut command = testbed.place().command(binaries::ours("sockvs"));
    command
        .arg("--socket")
        .arg(testbed.daemon.socket())
        .arg("setting");
    told.push(program::run(command).expect_success());
    told
}

#[test]
fn a_table_is_carried_over_to_another_layout_and_back() {
    let mut testbed = Testbed::new();
    let _servers = [
        testbed.server("A", "127.0.0.11:80"),
        testbed.server("B", "127.0.0.12:80"),
        testbed.server("A6", "[::1]:81"),
    ];
    let _datagram_server = testbed.datagram_server("D", "127.0.0.11:53");
    testbed.client().restore(
        "-A -t 10.9.0.1:80 -s wrr
         -a -t 10.9.0.1:80 -r 127.0.0.11:80 -m -w 1 -x 100 -y 50
         -a -t 10.9.0.1:80 -r 127.0.0.12:80 -g -w 3
         -A -t [fd00:9::1]:80 -s lblcr -p 300 -M 64
         -a -t [fd00:9::1]:80 -r [::1]:81 -m
         -A -t [fd00:9::2]:0 -s mh -p 30 -b mh-port,mh-fallback
         -a -t [fd00:9::2]:0 -r [::1]:0 -m -w 7
         -A -u 10.9.0.1:53 -s rr
         -a -u 10.9.0.1:53 -r 127.0.0.11:53 -m
         -A -f 7 -s sh
         -a -f 7 -r 127.0.0.11:0 -i --tun-type gue --tun-port 6080
",
    );
    testbed.ipvsadm("--set 700 70 170");
    testbed.ipvsadm("--start-daemon master --mcast-interface lo --syncid 9");
    let mut application = testbed.application();
    let open = |application: &mut compat_tests::Application, id: &str, address: &str| {
        let server = application.open(id, address);
        server.unwrap_or_else(|errno| panic!("{address}: {errno}"))
    };
    for id in ["one", "two", "three"] {
        open(&mut application, id, "10.9.0.1:80");
    }
    assert_eq!(open(&mut application, "six", "[fd00:9::1]:80"), "A6");
    assert_eq!(open(&mut application, "all", "[fd00:9::2]:81"), "A6");
    application.udp("udp", Socket::Plain, "10.9.0.1:53");
    assert_eq!(
        application.ask("udp", "10.9.0.1:53"),
        Ok("D 10.9.0.1:53".to_owned())
    );
    let before = told(&testbed);

    for version in [Version::OtherLayout, Version::This] {
        testbed.daemon.kill();
        testbed.daemon.start_again_as(version);
        for (now, before) in told(&testbed).iter().zip(&before) {
            assert_eq!(now, before, "now, and before the change to {version:?}");
        }
        assert_eq!(application.peer("one"), "10.9.0.1:80");
        assert_eq!(
            application.ask("udp", "10.9.0.1:53"),
            Ok("D 10.9.0.1:53".to_owned())
        );
    }
    for id in ["one", "two", "three", "six", "all", "udp"] {
        application.close(id);
    }
    for line in testbed
        .ipvsadm("-Ln")
        .lines()
        .filter(|line| line.contains("->"))
        .skip(1)
    {
        let counted: Vec<&str> = line.split_whitespace().rev().take(2).collect();
        assert_eq!(counted, ["0", "0"], "all is closed: {line}");
    }
    // The wrr sequence goes on where it was.
    let mut reached = application.connect_many("10.9.0.1:80", 4);
    reached.sort_unstable();
    assert_eq!(reached, ["A", "B", "B", "B"]);
}
