//! Requests of every client reach the daemon: many clients at once, their children, programs
//! without any library, and clients that are slow to read.

use std::{
    thread,
    time::{Duration, Instant},
};

use compat_tests::{Testbed, program, rule::many_services, static_client};

#[test]
fn concurrent_clients_each_get_their_own_answer_and_no_request_is_lost() {
    const CLIENTS: usize = 32;
    let testbed = Testbed::new();
    let client = testbed.client();
    let own = |number: usize| -> Vec<String> {
        let address = format!("10.9.1.{number}:80");
        let servers = (1..=3)
            .map(|server| format!("-a -t {address} -r 10.1.{number}.{server}:80 -m -w {server}"));
        [vec![format!("-A -t {address} -s wrr")], servers.collect()].concat()
    };
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || {
                let rules = own(number);
                client.ipvsadm(&rules[0]);
                client.restore(&(rules[1..].join("\n") + "\n"));
                let listed = client.ipvsadm(&format!("-L -n -t 10.9.1.{number}:80"));
                let servers = listed
                    .lines()
                    .filter(|line| line.contains(&format!("-> 10.1.{number}.")))
                    .count();
                assert_eq!(
                    servers, 3,
                    "client {number} lists its own service: {listed}"
                );
            });
        }
    });
    let mut expected: Vec<String> = (0..CLIENTS).flat_map(own).collect();
    let mut saved: Vec<String> = client.saved().lines().map(str::to_owned).collect();
    expected.sort_unstable();
    saved.sort_unstable();
    assert_eq!(saved, expected);
}

#[test]
fn children_of_children_are_served_also_when_their_parents_have_ended() {
    let testbed = Testbed::new();
    let done = testbed.folder.path().join("done");
    // The last one runs in a session of its own, when the command that was started is over.
    let script = format!(
        "sh -c 'sh -c \"ipvsadm -A -t 10.9.0.1:80 -s rr\" && \
                ipvsadm -A -t 10.9.0.2:80 -s rr' || exit 1
         (setsid sh -c 'sleep 0.3; ipvsadm -A -t 10.9.0.3:80 -s rr; \
                       echo $? >{done}.new; mv {done}.new {done}' &)
         exit 7",
        done = done.display()
    );
    let mut command = testbed.client().command("sh");
    command.args(["-c", &script]).env("LC_ALL", "C");
    let outcome = program::run(command);
    assert_eq!(
        outcome.code(),
        Some(7),
        "the command's own exit status: {outcome}"
    );

    let started = Instant::now();
    while !done.exists() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "the last child does not end"
        );
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(
        testbed.client().saved(),
        "-A -t 10.9.0.1:80 -s rr\n-A -t 10.9.0.2:80 -s rr\n-A -t 10.9.0.3:80 -s rr\n"
    );
}

#[test]
fn a_statically_linked_program_is_an_ipvs_client_like_any_other() {
    let testbed = Testbed::new();
    let client = static_client::build(&testbed.folder);
    let outcome = testbed.client().run(&client.to_string_lossy(), "info");
    assert_eq!(outcome.expect_success(), "1.2.1\n");
}

#[test]
fn a_slow_reader_gets_its_whole_list_and_delays_no_other_client() {
    const SERVICES: u32 = 2000;
    let testbed = Testbed::new();
    testbed.client().restore(&many_services(SERVICES));
    let program = static_client::build(&testbed.folder);
    let program = program.to_string_lossy();
    let client = testbed.client();
    let expected = format!("{SERVICES} services in ");
    thread::scope(|scope| {
        let slow = scope.spawn(|| client.run(&program, "count 15").expect_success());
        thread::sleep(Duration::from_millis(300));
        let quick = client.run(&program, "count 0").expect_success();
        assert!(
            !slow.is_finished(),
            "the quick client waited, or the slow one was not slow"
        );
        assert!(
            quick.starts_with(&expected),
            "a quick client meanwhile: {quick:?}"
        );
        let listed = slow.join().expect("the slow client gets its list");
        assert!(listed.starts_with(&expected), "the slow client: {listed:?}");
    });
}

#[test]
fn a_client_that_never_reads_and_exits_disturbs_no_other() {
    let testbed = Testbed::new();
    let rules = many_services(200);
    testbed.client().restore(&rules);
    let slow = static_client::build(&testbed.folder);
    let mut leaving: Vec<_> = (0..8)
        .map(|_| {
            let mut command = testbed.client().command(&slow.to_string_lossy());
            command
                .args(["count", "5000"])
                .stdout(std::process::Stdio::null());
            command.spawn().expect("the client starts")
        })
        .collect();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(testbed.client().saved(), rules, "while others do not read");
    for client in &mut leaving {
        client.kill().expect("it is ours");
        client.wait().expect("it is ours");
    }
    assert_eq!(testbed.client().saved(), rules, "when the others are gone");
}

#[test]
fn other_generic_netlink_families_are_left_to_the_kernel() {
    let testbed = Testbed::new();
    // `ip` asks generic netlink for the family of its own that this needs.
    let wrapped = testbed.client().run("ip", "tcp_metrics show");
    let mut command = testbed.client().unwrapped("ip");
    command.args(["tcp_metrics", "show"]);
    let unwrapped = program::run(command);
    assert_eq!(
        (wrapped.code(), &wrapped.stdout, &wrapped.stderr),
        (unwrapped.code(), &unwrapped.stdout, &unwrapped.stderr)
    );
}
