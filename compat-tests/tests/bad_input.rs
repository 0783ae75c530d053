//! What no client should send: the kernel's errno, one line in the log, and the table untouched.
//!
//! What is expected here is what the kernel does, from its source: `net/netlink/af_netlink.c` cuts
//! datagrams into messages, `genetlink.c` looks at their headers, `lib/nlattr.c` at attributes, and
//! `net/netfilter/ipvs/ip_vs_ctl.c` at what they say.

mod bad_messages;

use bad_messages::{Case, Expected, cases};
use compat_tests::{Testbed, wire};
use nix::errno::Errno;

const TABLE: &str = "-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.1.0.11:80 -m -w 1\n";

#[test]
fn malformed_and_absurd_requests_get_the_kernels_errno_and_change_nothing() {
    let testbed = Testbed::new();
    testbed.client().restore(TABLE);
    let mut client = testbed.raw_client();
    let family = client.family();
    let mut wrong = Vec::new();
    for Case {
        what,
        datagram,
        expected,
    } in cases(family)
    {
        let refused_before = refusals(&testbed);
        let replies = match client.send(&datagram) {
            Ok(replies) => replies,
            Err(errno) => {
                wrong.push(format!("{what}: sendto fails with {errno}"));
                continue;
            }
        };
        let verdict = replies.last().map(|reply| match reply.verdict() {
            Some(errno) => Expected::Verdict(errno),
            None if reply.is_end_of_list() => Expected::EmptyList,
            None => Expected::Silence,
        });
        let verdict = verdict.unwrap_or(Expected::Silence);
        if verdict != expected {
            wrong.push(format!("{what}: {verdict:?}, not {expected:?}"));
        }
        let more = refusals(&testbed) - refused_before;
        let refused = matches!(verdict, Expected::Verdict(1..));
        if refused && more != 1 {
            wrong.push(format!("{what}: {more} lines in the log about one refusal"));
        }
        let saved = testbed.client().saved();
        if saved != TABLE {
            wrong.push(format!("{what}: the table has changed to\n{saved}"));
            testbed.ipvsadm("-C");
            testbed.client().restore(TABLE);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ from the kernel:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn each_message_of_a_datagram_is_executed_independently_of_the_others() {
    let testbed = Testbed::new();
    let mut client = testbed.raw_client();
    let family = client.family();
    let service = |port, scheduler| {
        let attributes = [bad_messages::service_with(port, scheduler)];
        wire::message(
            family,
            wire::REQUEST | wire::ACK,
            u32::from(port),
            &wire::generic(1, &attributes),
        )
    };
    let datagram = [service(80, "rr"), service(81, "nosuch"), service(82, "wrr")].concat();
    // The program stops reading at the first verdict, so the other two come with its next request.
    let mut replies = client.send(&datagram).expect("the datagram is sent");
    while replies.len() < 3 {
        let nothing = wire::message(family, 0, 0, &[]);
        let more = client.send(&nothing).expect("the datagram is sent");
        assert!(!more.is_empty(), "only {replies:?} came back");
        replies.extend(more);
    }
    let verdicts: Vec<_> = replies
        .iter()
        .map(|reply| (reply.sequence, reply.verdict()))
        .collect();
    assert_eq!(
        verdicts,
        [(80, Some(0)), (81, Some(libc::ENOENT)), (82, Some(0))]
    );
    assert_eq!(
        testbed.client().saved(),
        "-A -t 10.9.0.1:80 -s rr\n-A -t 10.9.0.1:82 -s wrr\n"
    );
}

#[test]
fn replies_carry_the_clients_port_and_the_requests_number() {
    let testbed = Testbed::new();
    testbed.client().restore(TABLE);
    let mut client = testbed.raw_client();
    let (family, port) = (client.family(), client.port());
    let refused = wire::message(family, wire::REQUEST, 0x1234_5678, &wire::generic(99, &[]));
    let replies = client.send(&refused).expect("it is sent");
    let [reply] = replies.as_slice() else {
        panic!("not one reply: {replies:?}")
    };
    assert_eq!((reply.sequence, reply.port), (0x1234_5678, port));
    assert_eq!(&reply.payload[4..], refused, "an error repeats the request");

    let list = wire::message(
        family,
        wire::REQUEST | wire::DUMP,
        7,
        &wire::generic(4, &[]),
    );
    let replies = client.send(&list).expect("it is sent");
    assert_eq!(replies.len(), 2, "a service, and the end of the list");
    assert!(
        replies
            .iter()
            .all(|reply| (reply.sequence, reply.port) == (7, port)),
        "{replies:?}"
    );
}

#[test]
fn a_request_with_a_large_unknown_attribute_is_carried_out() {
    let testbed = Testbed::new();
    let mut client = testbed.raw_client();
    let family = client.family();
    let large = [
        wire::attr(60, &[0xaa; 60_000]),
        bad_messages::service_with(80, "rr"),
    ];
    let request = wire::message(
        family,
        wire::REQUEST | wire::ACK,
        1,
        &wire::generic(1, &large),
    );
    let replies = client.send(&request).expect("it fits the socket's buffer");
    assert_eq!(replies.last().and_then(wire::Reply::verdict), Some(0));
    assert_eq!(testbed.client().saved(), "-A -t 10.9.0.1:80 -s rr\n");
}

#[test]
fn a_datagram_that_does_not_fit_the_sockets_buffer_is_not_sent() {
    let testbed = Testbed::new();
    let mut client = testbed.raw_client();
    let family = client.family();
    let large: Vec<Vec<u8>> = (0..100).map(|_| wire::attr(60, &[0xaa; 60_000])).collect();
    let all = [&large[..], &[bad_messages::service_with(80, "rr")]].concat();
    let request = wire::message(
        family,
        wire::REQUEST | wire::ACK,
        1,
        &wire::generic(1, &all),
    );
    assert_eq!(client.send(&request), Err(Errno::EMSGSIZE));
    assert_eq!(testbed.client().saved(), "");
}

#[test]
fn the_family_is_found_by_its_id_too_and_others_are_not() {
    let testbed = Testbed::new();
    let mut client = testbed.raw_client();
    let family = client.family();
    let mut asked = |attributes: &[Vec<u8>]| {
        let request = wire::generic(3, attributes);
        let request = wire::message(0x10, wire::REQUEST | wire::ACK, 1, &request);
        let replies = client.send(&request).expect("it is sent");
        (replies.len(), replies.last().and_then(wire::Reply::verdict))
    };
    assert_eq!(asked(&[wire::short(1, family)]), (2, Some(0)), "by its id");
    assert_eq!(
        asked(&[wire::text(2, "IPVS"), wire::short(1, 999)]),
        (2, Some(0)),
        "the name counts"
    );
    assert_eq!(
        asked(&[wire::text(2, "ipvs")]),
        (1, Some(libc::ENOENT)),
        "another name"
    );
    assert_eq!(
        asked(&[wire::attr(2, b"IPVS")]),
        (1, Some(libc::EINVAL)),
        "a name without an end"
    );
    assert_eq!(asked(&[]), (1, Some(libc::EINVAL)), "no family named");
    // The largest id that the kernel gives out.
    let request = wire::message(0x3ff, wire::REQUEST, 1, &wire::generic(17, &[]));
    let replies = client.send(&request).expect("it is sent");
    assert_eq!(
        replies.last().and_then(wire::Reply::verdict),
        Some(libc::ENOENT),
        "a family that is none"
    );
}

/// How many refusals the daemon's log tells of.
fn refusals(testbed: &Testbed) -> usize {
    testbed
        .daemon
        .log()
        .lines()
        .filter(|line| line.contains("refused"))
        .count()
}
