//! While the daemon is away, programs see a kernel without IPVS, and nothing else is different.

use std::{process::Command, thread, time::Duration};

use compat_tests::{
    Client, Conversation, Intercept, Keepalived, Outcome, Server, Talk, Testbed,
    conversation::SHELL, program,
};

#[test]
fn ipvs_clients_find_a_kernel_without_ipvs() {
    let mut testbed = Testbed::new();
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.daemon.stop();
    as_unwrapped(testbed.client(), "ipvsadm -Ln");
    testbed.daemon.start_again();
    testbed.daemon.kill();
    as_unwrapped(testbed.client(), "ipvsadm -Ln");
}

#[test]
fn other_programs_work() {
    let mut testbed = Testbed::new();
    testbed.daemon.stop();
    other_programs(&testbed);
}

#[test]
fn other_programs_work_while_the_daemon_runs() {
    other_programs(&Testbed::new());
}

#[test]
fn a_running_session_is_served_again_when_the_daemon_is_back() {
    let mut testbed = Testbed::new();
    let mut command = testbed.client().command("sh");
    command.args(["-c", SHELL]);
    let mut shell = Conversation::start(command, "sh", &testbed.folder);
    shell.must("ipvsadm -A -t 10.9.0.1:80 -s rr");
    assert_eq!(shell.must("ipvsadm -S -n"), ["-A -t 10.9.0.1:80 -s rr"]);
    for end in ["stop", "kill"] {
        if end == "stop" {
            testbed.daemon.stop();
        } else {
            testbed.daemon.kill();
        }
        let mut unwrapped = testbed.client().unwrapped("ipvsadm");
        unwrapped.arg("-Ln");
        let unwrapped = program::run(unwrapped);
        let found = shell.ask("ipvsadm -Ln").map_err(|errno| errno as i32);
        let expected = unwrapped.code().expect("an exit status");
        assert_eq!(
            found.err().unwrap_or(0),
            expected,
            "after the daemon's {end}"
        );
        shell.must("ip link show lo");

        testbed.daemon.start_again();
        shell.must("ipvsadm -C");
        shell.must("ipvsadm -A -t 10.9.0.2:80 -s wrr");
        assert_eq!(
            shell.must("ipvsadm -S -n"),
            ["-A -t 10.9.0.2:80 -s wrr"],
            "after {end}"
        );
        assert_eq!(testbed.client().saved(), "-A -t 10.9.0.2:80 -s wrr\n");
    }
}

#[test]
fn after_a_restart_the_table_and_the_connections_agree() {
    let mut testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:80");
    let _other = testbed.server("B", "127.0.0.12:80");
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m");
    let mut application = testbed.application();
    testbed.daemon.stop();
    testbed.daemon.start_again();

    let is_listed = testbed.client().saved().contains("-r 127.0.0.11:80");
    let is_reached = application.connect("10.9.0.1:80");
    assert_eq!(
        is_listed,
        is_reached == Ok("A".to_owned()),
        "{is_reached:?}"
    );

    testbed.ipvsadm("-C");
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.ipvsadm("-a -t 10.9.0.1:80 -r 127.0.0.12:80 -m");
    assert_eq!(application.connect_many("10.9.0.1:80", 4), ["B"; 4]);
}

#[test]
fn clients_that_wait_for_an_answer_find_no_ipvs_when_the_daemon_is_killed() {
    let mut testbed = Testbed::new();
    testbed.ipvsadm("-A -t 10.9.0.1:80 -s rr");
    testbed.daemon.freeze();
    let mut command = testbed.client().command("ipvsadm");
    command.arg("-Ln");
    let waiting = thread::spawn(move || program::run(command));
    thread::sleep(Duration::from_millis(500));
    assert!(!waiting.is_finished(), "a frozen daemon answers no client");
    testbed.daemon.kill();
    let outcome = waiting.join().expect("ipvsadm ends");
    let later = testbed.client().try_ipvsadm("-Ln");
    assert_eq!(
        (outcome.code(), &outcome.stdout, &outcome.stderr),
        (later.code(), &later.stdout, &later.stderr),
        "what a client finds that comes later"
    );
}

/// So that a service manager starts it again.
#[test]
fn keepalived_ends_as_on_a_kernel_without_ipvs() {
    if Intercept::chosen() == Intercept::Bpf {
        // There it finds the kernel's own.
        return;
    }
    let mut testbed = Testbed::new();
    testbed.daemon.stop();
    let place = testbed.place();
    let socket = testbed.daemon.socket().to_owned();
    let unwrapped = Client::new(place, socket, Intercept::Bpf);
    let ends = |client: &Client| {
        let configuration = "virtual_server 10.9.0.1 80 {\nprotocol TCP\nlb_algo rr\nlb_kind NAT\n\
            real_server 10.8.1.2 80 {\n}\n}\n";
        let mut keepalived = Keepalived::start(client, &testbed.folder, configuration);
        let status = keepalived.wait();
        (status.code(), keepalived.says_of_ipvs())
    };
    let wrapped = ends(testbed.client());
    assert_eq!(wrapped, ends(&unwrapped), "wrapped, and as it is");
    assert_ne!(wrapped.0, Some(0));
    assert!(
        wrapped.1.contains("IPVS: Can't initialize ipvs"),
        "{}",
        wrapped.1
    );
}

fn other_programs(testbed: &Testbed) {
    let address = "127.0.0.11:8080".parse().expect("an address and a port");
    let _server = Server::start(&testbed.namespace, "the server", address, Talk::Http);
    let client = testbed.client();
    as_unwrapped(client, "ip link show lo").expect_success();
    as_unwrapped(client, "ip route show table all").expect_success();
    as_unwrapped(client, "busybox ping -c 1 -W 5 -q 127.0.0.1");
    client
        .run("busybox", "ping -c 1 -W 5 -q 127.0.0.1")
        .expect_success();
    let page = client.run("curl", "-sS --noproxy * http://127.0.0.11:8080/");
    assert_eq!(page.expect_success(), "the server");
}

/// Runs a command wrapped and as it is. What it says and how it ends must be the same.
#[track_caller]
fn as_unwrapped(client: &Client, words: &str) -> Outcome {
    let (program, arguments) = words.split_once(' ').expect("a program and its arguments");
    let wrapped = client.run(program, arguments);
    let mut command: Command = client.unwrapped(program);
    command.args(arguments.split_whitespace());
    let unwrapped = program::run(command);
    let without_times = |outcome: &Outcome| {
        let lines = outcome
            .stdout
            .lines()
            .filter(|line| !line.starts_with("round-trip"));
        (
            outcome.code(),
            lines.map(str::to_owned).collect::<Vec<_>>(),
            outcome.stderr.clone(),
        )
    };
    assert_eq!(
        without_times(&wrapped),
        without_times(&unwrapped),
        "wrapped, and as it is: {words}"
    );
    wrapped
}
