//! Many clients, and clients that behave badly: the others are served, and nothing stays behind.
//!
//! What others have to wait is printed, with what the daemon costs. `SOCKVS_TEST_SECONDS` says for
//! how long clients edit at once (five without it).

use std::{
    io::{Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use compat_tests::{
    Bystander, Testbed, Vitals, eventually::eventually, random::Random, rule::many_services,
    variable, wire,
};
use nix::sys::{
    resource::Resource,
    socket::{self, AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, socket},
};

/// Services whose list does not fit a client's buffer.
const LONG_LIST: u32 = 2000;
const TABLE: &str = "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 127.0.0.11:80 -m -w 1\n";
/// More memory than all of this together may cost, in KiB.
const MEMORY: u64 = 64 << 10;
/// `IPVS_CMD_GET_SERVICE`, `IPVS_CMD_GET_INFO`
const GET_SERVICE: u8 = 4;
const GET_INFO: u8 = 15;

#[test]
fn sixty_four_clients_edit_at_once_while_others_connect() {
    const CLIENTS: usize = 64;
    let testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:80");
    testbed.client().restore(TABLE);
    let before = Vitals::of(testbed.daemon.pid());
    let (edits, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut connects = 0_u64;
    let bystander = Bystander::start(&testbed);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let mut client = testbed.talk("sockvs-neli-client");
            let (edits, over) = (&edits, &over);
            scope.spawn(move || {
                let service = format!("-t 10.9.1.{number}:80");
                let round = [
                    format!("-A {service} -s wrr"),
                    format!("-a {service} -r 10.1.0.1:80 -m -w 1"),
                    format!("-a {service} -r 10.1.0.2:80 -m -w 2"),
                    format!("-e {service} -r 10.1.0.1:80 -m -w 3"),
                    format!("-E {service} -s mh"),
                    format!("-d {service} -r 10.1.0.2:80"),
                    format!("-D {service}"),
                ];
                while !over.load(Ordering::Relaxed) {
                    for edit in &round {
                        client.must(edit);
                        edits.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut application = testbed.application();
        let begun = Instant::now();
        while begun.elapsed() < seconds() {
            assert_eq!(application.connect("10.9.0.1:80"), Ok("A".to_owned()));
            connects += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    let edits = edits.into_inner();
    println!("{edits} edits by {CLIENTS} clients, {connects} connects, all to the right server");
    assert_as_before(&testbed, TABLE, bystander, before);
}

#[test]
fn clients_that_ask_and_never_read_cost_little_also_when_they_die() {
    const CLIENTS: usize = 24;
    // Many times what a socket's buffer holds replies to.
    const REQUESTS: u32 = 5_000;
    let testbed = Testbed::new();
    let rules = many_services(LONG_LIST);
    testbed.client().restore(&rules);
    let before = Vitals::of(testbed.daemon.pid());
    let bystander = Bystander::start(&testbed);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| testbed.raw_client()).collect();
    let family = clients[0].family();
    let list = wire::message(
        family,
        wire::REQUEST | wire::DUMP,
        1,
        &wire::generic(GET_SERVICE, &[]),
    );
    for client in &mut clients {
        client.post(&list).expect("it is sent");
    }
    // One of them goes on asking.
    let info = wire::message(
        family,
        wire::REQUEST | wire::ACK,
        2,
        &wire::generic(GET_INFO, &[]),
    );
    let sent = clients[0].flood(REQUESTS, &info);
    println!("one client sent {sent} requests and read no reply");
    let mut powerless = testbed.raw_client_without_rights();
    let sent = powerless.flood(REQUESTS, &info);
    assert_eq!(sent, REQUESTS, "the kernel takes all");
    thread::sleep(Duration::from_secs(2));
    let meanwhile = Vitals::of(testbed.daemon.pid());
    println!("with {CLIENTS} clients that do not read: {meanwhile}");
    assert!(meanwhile.threads < 100, "{meanwhile}");
    // Half of them die in the middle of the list, the others end in an orderly way.
    for client in clients.drain(..CLIENTS / 2) {
        client.kill();
    }
    drop(clients);
    assert_as_before(&testbed, &rules, bystander, before);
}

#[test]
fn out_of_descriptors_existing_clients_are_served_and_new_ones_later() {
    let testbed = Testbed::new();
    testbed.client().restore(TABLE);
    let pid = testbed.daemon.pid();
    let before = Vitals::of(pid);
    let bystander = Bystander::start(&testbed);
    let most = u64::try_from(Vitals::of(pid).descriptors + 48).expect("few");
    limit(pid, Resource::RLIMIT_NOFILE, most);
    let hoarded: Vec<_> = (0..64)
        .filter_map(|_| UnixStream::connect(testbed.daemon.socket()).ok())
        .collect();
    thread::scope(|scope| {
        let newcomers: Vec<_> = (0..24)
            .map(|_| scope.spawn(|| testbed.client().saved()))
            .collect();
        thread::sleep(Duration::from_secs(2));
        drop(hoarded);
        for newcomer in newcomers {
            let saved = newcomer.join().expect("the newcomer is served");
            assert_eq!(saved, TABLE);
        }
    });
    let lines = testbed.daemon.log().matches("not accepted").count();
    assert!(lines <= 10, "{lines} lines about one thing");
    assert_as_before(&testbed, TABLE, bystander, before);
}

#[test]
fn out_of_memory_new_entries_are_refused_and_the_rest_is_served() {
    let testbed = Testbed::new();
    let _server = testbed.server("A", "127.0.0.11:80");
    testbed.client().restore(TABLE);
    let pid = testbed.daemon.pid();
    let before = Vitals::of(pid);
    let bystander = Bystander::start(&testbed);
    limit(pid, Resource::RLIMIT_AS, address_space(pid) + (4 << 20));
    let mut client = testbed.talk("sockvs-neli-client");
    let (mut taken, mut refused) = (Vec::new(), 0);
    for number in 0..20_000 {
        let service = format!("-t 10.10.{}.{}:80", number / 250, 1 + number % 250);
        match client.ask(&format!("-A {service} -s rr")) {
            Ok(_) => taken.push(service),
            Err(errno) => {
                assert_eq!(errno, nix::errno::Errno::ENOMEM);
                refused += 1;
            }
        }
        if refused >= 50 {
            break;
        }
    }
    println!(
        "{} services were taken, then there was no memory",
        taken.len()
    );
    assert!(refused >= 50, "the limit was not reached");
    let mut application = testbed.application();
    assert_eq!(application.connect_many("10.9.0.1:80", 3), ["A"; 3]);
    limit(pid, Resource::RLIMIT_AS, libc::RLIM_INFINITY);
    client.must("-A -t 10.9.0.2:80 -s rr");
    client.must("-D -t 10.9.0.2:80");
    for service in taken {
        client.must(&format!("-D {service}"));
    }
    drop(client);
    // Memory that was taken for services stays theirs.
    let now = Vitals::of(pid);
    let before = Vitals {
        descriptors: now.descriptors.max(before.descriptors),
        ..before
    };
    assert_as_before(&testbed, TABLE, bystander, before);
}

#[test]
fn an_attack_on_the_control_socket_is_endured() {
    let testbed = Testbed::new();
    let rules = many_services(LONG_LIST);
    testbed.client().restore(&rules);
    let pid = testbed.daemon.pid();
    let before = Vitals::of(pid);
    let bystander = Bystander::start(&testbed);
    let connect = || UnixStream::connect(testbed.daemon.socket()).expect("a place in the queue");
    let say = |words: &[u8]| {
        let mut stream = connect();
        // It may be closed already.
        let _ = stream.write_all(words);
        stream
    };
    let silent: Vec<_> = (0..40).map(|_| connect()).collect();
    let half: Vec<_> = (0..40).map(|_| say(b"stat")).collect();
    let deaf: Vec<_> = (0..20).map(|_| say(b"file ip_vs\n")).collect();
    let asked = Instant::now();
    testbed.daemon.status().expect_success();
    println!("sockvs status takes {:?} meanwhile", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(5));
    for words in [
        vec![b'x'; 1 << 20],
        vec![0; 1 << 16],
        b"\xff\xfe\n".to_vec(),
        b"setting conn_reuse_mode\n".repeat(1000),
        [b"setting conn_reuse_mode ", &[b'9'; 5000][..], b"\n"].concat(),
    ] {
        let mut answer = Vec::new();
        let _ = say(&words).read_to_end(&mut answer);
        assert!(answer.len() < 512, "{}", String::from_utf8_lossy(&answer));
    }
    // More than are let in at once: those in front have to go first.
    let crowd: Vec<_> = (0..120).map(|_| connect()).collect();
    eventually(Duration::from_secs(20), || {
        let status = testbed.daemon.status();
        let served = status.status.success();
        served.then_some(()).ok_or_else(|| status.to_string())
    });
    assert!(Vitals::of(pid).descriptors < before.descriptors + 200);
    drop((silent, half, deaf, crowd));
    assert_as_before(&testbed, &rules, bystander, before);
}

#[test]
fn an_attack_on_the_socket_of_wrapped_clients_is_endured() {
    let testbed = Testbed::new();
    testbed.client().restore(TABLE);
    let before = Vitals::of(testbed.daemon.pid());
    let bystander = Bystander::start(&testbed);
    let mut path = testbed.daemon.socket().as_os_str().to_owned();
    path.push(".exec");
    let address = UnixAddr::new(path.as_os_str()).expect("a short path");
    let connect = || {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let made = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None);
        let made = made.expect("a socket");
        socket::connect(made.as_raw_fd(), &address).expect("a place in the queue");
        made
    };
    let silent: Vec<_> = (0..200).map(|_| connect()).collect();
    let mut random = Random::new(6);
    let talking: Vec<_> = (0..200_u16)
        .map(|number| {
            let connection = connect();
            let nonsense = random.bytes(number * 64);
            // It may be closed already.
            let _ = socket::send(connection.as_raw_fd(), &nonsense, MsgFlags::MSG_NOSIGNAL);
            connection
        })
        .collect();
    assert_eq!(testbed.client().saved(), TABLE, "a newcomer is served");
    drop((silent, talking));
    assert_as_before(&testbed, TABLE, bystander, before);
}

/// The others were served, the table is as it was, and the daemon costs no more than before.
#[track_caller]
fn assert_as_before(testbed: &Testbed, table: &str, bystander: Bystander, before: Vitals) {
    let pid = testbed.daemon.pid();
    println!("{}", bystander.end());
    assert_eq!(testbed.client().saved(), table, "the table afterwards");
    before.expect_again(pid);
    let after = Vitals::of(pid);
    println!("before: {before}\nafter:  {after}");
    let cost = after.peak.saturating_sub(before.resident);
    assert!(cost < MEMORY, "it took {cost} KiB: {after}");
    let log = testbed.daemon.log();
    assert!(!log.contains("panicked"), "{log}");
}

fn seconds() -> Duration {
    Duration::from_secs(variable::number("SOCKVS_TEST_SECONDS").unwrap_or(5))
}

/// Sets a limit of a process, as far as it could raise it itself again.
fn limit(pid: u32, resource: Resource, most: u64) {
    let pid = i32::try_from(pid).expect("process ids are small");
    let mut value = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel reads nothing and writes the one structure.
    let read = unsafe { libc::prlimit(pid, resource as _, std::ptr::null(), &raw mut value) };
    nix::errno::Errno::result(read).expect("it is ours");
    value.rlim_cur = most.min(value.rlim_max);
    // SAFETY: the kernel reads the one structure and writes nothing.
    let set = unsafe { libc::prlimit(pid, resource as _, &raw const value, std::ptr::null_mut()) };
    nix::errno::Errno::result(set).expect("it is ours");
}

/// What a process has mapped, in bytes.
fn address_space(pid: u32) -> u64 {
    let pages = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("it runs");
    let pages: u64 = pages
        .split(' ')
        .next()
        .expect("a field")
        .parse()
        .expect("a number");
    pages * 4096
}
