//! ipvsadm where it can have no generic netlink socket: it falls back to the socket options of
//! IPVS, and finds the same table.
//!
//! They are served to clients under `sockvs exec` only, whatever the interceptor of this run.

use compat_tests::{Client, Intercept, Outcome, Place, Testbed, binaries, program};

const SERVICE: &str = "-A -t 10.9.0.1:80 -s wrr";
const SERVER: &str = "-a -t 10.9.0.1:80 -r 10.1.0.11:8080 -m -w 3";

/// A testbed, and a client in it that runs under `sockvs exec`.
struct Fallback {
    testbed: Testbed,
    client: Client,
}

impl Fallback {
    fn new() -> Self {
        let testbed = Testbed::new();
        let place = Place::new(&testbed.namespace).in_cgroup(&testbed.cgroup);
        let socket = testbed.daemon.socket().to_owned();
        let client = Client::new(place, socket, Intercept::Seccomp);
        Self { testbed, client }
    }

    /// Runs ipvsadm without generic netlink, below `before`.
    fn after(&self, before: &[&str], arguments: &str, input: &str) -> Outcome {
        let launcher = binaries::ours("sockvs-without-genetlink");
        let mut command = self.client.command(&launcher.to_string_lossy());
        command.args(before).arg("ipvsadm");
        command.args(arguments.split_whitespace());
        program::run_with_input(command, input)
    }

    fn ipvsadm(&self, arguments: &str) -> Outcome {
        self.after(&[], arguments, "")
    }

    #[track_caller]
    fn must(&self, arguments: &str) -> String {
        self.ipvsadm(arguments).expect_success()
    }

    /// Nothing is allowed to have gone over netlink here, and both ways show the same.
    #[track_caller]
    fn expect(&self, rules: &[&str]) {
        let rules: String = rules.iter().map(|rule| format!("{rule}\n")).collect();
        assert_eq!(self.must("-S -n"), rules, "over socket options");
        assert_eq!(self.testbed.client().saved(), rules, "over netlink");
    }
}

#[test]
fn the_fallback_is_in_use() {
    let fallback = Fallback::new();
    // What the options cannot say, libipvs does not even try.
    let outcome = fallback.ipvsadm("-A -t [fd00:9::1]:80 -s rr");
    assert!(
        outcome
            .stderr
            .contains("Operation not supported with specified address family"),
        "{outcome}"
    );
}

#[test]
fn services_and_servers_are_added_edited_and_deleted() {
    let fallback = Fallback::new();
    fallback.must(SERVICE);
    fallback.must(SERVER);
    fallback.must("-A -f 7 -s sh -b sh-port");
    fallback.must("-A -u 10.9.0.1:53 -s rr -p 60 -M 255.255.255.0 -o");
    let others = [
        "-A -u 10.9.0.1:53 -s rr -p 60 -M 255.255.255.0 -o",
        "-A -f 7 -s sh -b sh-port",
    ];
    let mut saved: Vec<_> = fallback.must("-S -n").lines().map(str::to_owned).collect();
    saved.sort();
    let mut expected = [&[SERVICE, SERVER], &others[..]].concat();
    expected.sort_unstable();
    assert_eq!(saved, expected);
    fallback.must("-D -f 7");
    fallback.must("-D -u 10.9.0.1:53");

    fallback.must("-E -t 10.9.0.1:80 -s lc -p 300");
    fallback.must("-e -t 10.9.0.1:80 -r 10.1.0.11:8080 -m -w 0 -x 20 -y 10");
    fallback.expect(&[
        "-A -t 10.9.0.1:80 -s lc -p 300",
        "-a -t 10.9.0.1:80 -r 10.1.0.11:8080 -m -w 0",
    ]);
    let thresholds = fallback.must("-Ln --thresholds");
    let found: Vec<_> = thresholds
        .lines()
        .last()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(
        found,
        ["->", "10.1.0.11:8080", "20", "10", "0", "0"],
        "{thresholds}"
    );
    fallback.must("-d -t 10.9.0.1:80 -r 10.1.0.11:8080");
    fallback.expect(&["-A -t 10.9.0.1:80 -s lc -p 300"]);
    fallback.must("-C");
    fallback.expect(&[]);
}

#[test]
fn listings_are_those_of_netlink() {
    let fallback = Fallback::new();
    fallback.must(SERVICE);
    fallback.must(SERVER);
    for arguments in [
        "-L",
        "-Ln",
        "-Ln --stats",
        "-Ln --rate",
        "-Ln --thresholds",
        "-Ln --persistent-conn",
        "-Ln -t 10.9.0.1:80",
        "-L --timeout",
        "-L --daemon",
        "-Z",
        "-Z -t 10.9.0.1:80",
    ] {
        let options = fallback.must(arguments);
        let netlink = fallback.testbed.ipvsadm(arguments);
        assert_eq!(options, netlink, "ipvsadm {arguments}");
    }
    assert!(fallback.must("-Ln").contains("10.1.0.11:8080"));
}

#[test]
fn a_saved_table_is_restored() {
    let fallback = Fallback::new();
    // More than fits one piece of an answer.
    let services = (0..500).map(|n| format!("-A -t 10.9.{}.{}:80 -s rr", n / 250, n % 250 + 1));
    let servers = (1..=250).map(|n| format!("-a -t 10.9.0.1:80 -r 10.1.0.{n}:80 -m -w 1"));
    let mut rules: Vec<_> = services.chain(servers).collect();
    let outcome = fallback.after(&[], "-R", &(rules.join("\n") + "\n"));
    outcome.expect_success();
    let mut saved: Vec<_> = fallback.must("-S -n").lines().map(str::to_owned).collect();
    rules.sort();
    saved.sort();
    assert_eq!(saved, rules);
}

#[test]
fn timeouts_and_sync_daemons_are_set() {
    let fallback = Fallback::new();
    fallback.must("--set 10 0 30");
    let found = fallback.must("-L --timeout");
    assert_eq!(found, "Timeout (tcp tcpfin udp): 10 120 30\n");
    fallback.must("--start-daemon master --mcast-interface lo --syncid 7");
    let found = fallback.must("-L --daemon");
    assert!(
        found.contains("master sync daemon (mcast=lo, syncid=7"),
        "{found}"
    );
    assert!(!fallback.ipvsadm("--stop-daemon backup").status.success());
    fallback.must("--stop-daemon master");
    assert_eq!(fallback.must("-L --daemon"), "");
}

#[test]
fn errors_are_those_of_netlink() {
    let fallback = Fallback::new();
    fallback.must(SERVICE);
    fallback.must(SERVER);
    for arguments in [
        SERVICE,
        SERVER,
        "-A -t 10.9.0.2:80 -s nosuch",
        "-E -t 10.9.0.2:80 -s rr",
        "-D -t 10.9.0.2:80",
        "-Z -t 10.9.0.2:80",
        "-Ln -t 10.9.0.2:80",
        "-a -t 10.9.0.2:80 -r 10.1.0.11:80 -m",
        "-d -t 10.9.0.1:80 -r 10.1.0.12:80",
        "-a -t 10.9.0.1:80 -r 224.0.0.1:80 -m",
        "--start-daemon master --mcast-interface nosuch0",
        "--stop-daemon master",
        "--set 8589935 0 0",
    ] {
        let options = fallback.ipvsadm(arguments);
        let netlink = fallback.testbed.client().try_ipvsadm(arguments);
        assert_eq!(options.code(), netlink.code(), "{options}");
        assert_eq!(options.stderr, netlink.stderr, "ipvsadm {arguments}");
        assert_ne!(options.code(), Some(0), "{options}");
    }
    fallback.expect(&[SERVICE, SERVER]);
}

#[test]
fn clients_without_net_admin_are_refused() {
    let fallback = Fallback::new();
    fallback.must(SERVICE);
    // Without CAP_NET_RAW there would be no socket to ask with.
    let no_admin = ["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"];
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let raw = ["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"];
    for words in [&no_admin[..], &[&nobody[..], &raw].concat()] {
        let before = [&["setpriv"][..], words].concat();
        for arguments in ["-Ln", "-C", "-A -t 10.9.0.2:80 -s rr"] {
            let outcome = fallback.after(&before, arguments, "");
            assert!(!outcome.status.success(), "{outcome}");
            assert!(
                outcome.stderr.contains("Permission denied"),
                "ipvsadm is not refused: {outcome}"
            );
        }
    }
    fallback.expect(&[SERVICE]);
}

#[test]
fn a_namespace_of_its_own_belongs_to_its_user() {
    let fallback = Fallback::new();
    fallback.must(SERVICE);
    let own = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c"];
    let script = "ipvsadm -A -t 10.9.0.9:80 -s rr && ipvsadm -S -n; exit 0";
    let launcher = binaries::ours("sockvs-without-genetlink");
    let mut command = fallback.client.command(&launcher.to_string_lossy());
    command.args(own).arg(script);
    let outcome = program::run(command);
    assert_eq!(outcome.stdout, "-A -t 10.9.0.9:80 -s rr\n", "{outcome}");
    fallback.expect(&[SERVICE]);
}

#[test]
fn while_the_daemon_is_away_there_is_no_ipvs() {
    let mut fallback = Fallback::new();
    fallback.must(SERVICE);
    fallback.testbed.daemon.stop();
    let outcome = fallback.ipvsadm("-Ln");
    assert!(
        outcome.stderr.contains("Protocol not available"),
        "{outcome}"
    );
    fallback.testbed.daemon.start_again();
    fallback.expect(&[SERVICE]);
}
