//! A conversation of clients with the family: messages in, replies out, and after each the tables
//! are as they should be.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use sockvs_fuzz::{
    bench::{Bench, Event, NAMESPACES},
    client::{Mailbox, Who},
    listing,
    replies::{self, Verdict},
    request::Request,
};

#[derive(Arbitrary, Debug)]
enum Step {
    /// A client sends a datagram.
    Ask { who: Who, request: Request },
    /// One of several messages.
    AskAtOnce { who: Who, requests: Vec<Request> },
    /// Something happens.
    Event(Event),
}

fuzz_target!(|steps: Vec<Step>| {
    let mut bench = Bench::default();
    let mailboxes = NAMESPACES.map(Mailbox::new);
    for step in steps {
        let (who, requests) = match step {
            Step::Ask { who, request } => (who, vec![request]),
            Step::AskAtOnce { who, requests } => (who, requests),
            Step::Event(event) => {
                bench.happen(event);
                continue;
            }
        };
        let mut datagram = Vec::new();
        for (request, sequence) in requests.iter().zip(100..) {
            datagram.extend(request.message(sequence));
        }
        let mailbox = &mailboxes[usize::from(who.elsewhere)];
        let before = bench.snapshot();
        let told = bench.path.lock().told;

        bench
            .genl
            .datagram(who.client(mailbox), &datagram, Box::new(()));
        let replies = mailbox.take();
        bench.check();

        let after = bench.snapshot();
        let quiet = bench.path.lock().told == told;
        // Clients may give two messages one number; then the replies cannot be told apart.
        let numbered = replies::Message::all(&datagram)
            .windows(2)
            .all(|pair| pair[0].sequence != pair[1].sequence);
        if numbered {
            let verdicts = replies::check(&datagram, &replies);
            let harmless =
                |verdict: &Verdict| matches!(verdict, Verdict::Refused(_) | Verdict::Listed);
            if verdicts.iter().all(harmless) {
                assert!(quiet, "what is refused is not published: {requests:?}");
                assert_eq!(before, after, "what is refused changes nothing");
            }
        }
        let other = usize::from(!who.elsewhere);
        assert_eq!(before[other], after[other], "the other namespace");
        if who.unprivileged {
            assert_eq!(before, after, "a client without rights changes nothing");
        }
        if before != after {
            listing::check(&bench, mailbox);
        }
    }
});
