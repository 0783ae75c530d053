//! A stock keepalived, whose checks bring real servers in and out.

use std::time::Duration;

use compat_tests::{Keepalived, Testbed, eventually::eventually};
use nix::errno::Errno;

/// Two rounds of checks and the time-out of one, on a slow machine.
const LIMIT: Duration = Duration::from_secs(20);

const CONFIGURATION: &str = "
virtual_server 10.9.0.1 80 {
    delay_loop 1
    lb_algo rr
    lb_kind NAT
    protocol TCP
    # A server is down until its first check.
    alpha
    real_server 127.0.0.11 80 {
        TCP_CHECK {
            connect_timeout 1
            retry 0
        }
    }
    real_server 127.0.0.12 80 {
        TCP_CHECK {
            connect_timeout 1
            retry 0
        }
    }
}
";

#[test]
fn a_tcp_check_brings_its_server_in_and_out() {
    let testbed = Testbed::new();
    let first = testbed.server("first", "127.0.0.11:80");
    let mut keepalived = Keepalived::start(testbed.client(), &testbed.folder, CONFIGURATION);
    let servers_become = |expected: &[&str]| {
        eventually(LIMIT, || {
            let saved = testbed.client().saved();
            let found: Vec<&str> = saved
                .lines()
                .filter_map(|line| line.strip_prefix("-a -t 10.9.0.1:80 -r "))
                .map(|line| line.split(':').next().unwrap_or_default())
                .collect();
            if found == expected {
                return Ok(());
            }
            Err(format!("not the servers {expected:?}, but\n{saved}"))
        })
    };
    let mut application = testbed.application();
    servers_become(&["127.0.0.11"]);
    assert_eq!(application.connect_many("10.9.0.1:80", 2), ["first"; 2]);

    let second = testbed.server("second", "127.0.0.12:80");
    let took = servers_become(&["127.0.0.11", "127.0.0.12"]);
    println!("a server that came up was in after {took:?}");
    let mut reached = application.connect_many("10.9.0.1:80", 4);
    reached.sort_unstable();
    assert_eq!(reached, ["first", "first", "second", "second"]);

    drop(first);
    let took = servers_become(&["127.0.0.12"]);
    println!("a server that went down was out after {took:?}");
    assert_eq!(application.connect_many("10.9.0.1:80", 4), ["second"; 4]);

    drop(second);
    servers_become(&[]);
    assert_eq!(
        application.connect("10.9.0.1:80"),
        Err(Errno::ECONNREFUSED),
        "a service without servers"
    );
    keepalived.stop();
    assert_eq!(testbed.client().saved(), "", "it removes its services");
}
