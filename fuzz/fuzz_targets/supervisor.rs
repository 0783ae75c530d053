//! Packets of `sockvs exec`, whose socket is open to every user: what can be read is carried out,
//! for a client with CAP_NET_ADMIN and for one without, and what is written again is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sockvs_fuzz::exec_packets::{Asked, request, same_answer, same_value};
use sockvs_fuzz::{
    bench::{Bench, NAMESPACES},
    client::{Mailbox, Who},
};
use sockvs_ipvs::{Owner, fake::FakeHost};
use sockvs_server::sockopt::{Caller, carry_out};

fuzz_target!(|packet: &[u8]| {
    if let Some(same) = same_answer(packet) {
        assert_eq!(same, packet);
    }
    if let Some(same) = same_value(packet) {
        assert_eq!(same, packet);
    }
    let Some((asked, same)) = request(packet) else {
        return;
    };
    assert_eq!(same, packet);
    let bench = Bench::default();
    for unprivileged in [true, false] {
        let before = bench.snapshot();
        carry_out_for(&bench, unprivileged, &asked);
        bench.check();
        if unprivileged {
            assert_eq!(
                before,
                bench.snapshot(),
                "a client without rights changes nothing"
            );
        }
    }
});

fn carry_out_for(bench: &Bench, unprivileged: bool, asked: &Asked) {
    match asked {
        Asked::Netlink(datagram) => {
            let mailbox = Mailbox::new(NAMESPACES[0]);
            let who = Who {
                unprivileged,
                ..Who::ROOT
            };
            bench
                .genl
                .datagram(who.client(&mailbox), datagram, Box::new(()));
        }
        Asked::Option(call) => {
            let caller = Caller {
                namespace: NAMESPACES[0],
                owner: Owner::Host,
                host: &FakeHost,
                pid: 0,
                net_admin: !unprivileged,
            };
            let answer = carry_out(&bench.state, &caller, call);
            assert!(!unprivileged || answer.is_err(), "{answer:?}");
        }
        Asked::File(place) => {
            let text = place.text(&bench.state, NAMESPACES[0]);
            assert!(text.ends_with('\n'), "{text:?}");
        }
    }
}
