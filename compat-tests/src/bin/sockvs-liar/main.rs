//! A client whose memory changes while it is read: what a call sends, and where it says that this
//! is, is rewritten by a second thread all the time.
//!
//! `sockvs-liar FAMILY MILLISECONDS LIE…` tells each of the lies for so long. For each it prints
//! what its calls came to and how often, and `wrong …` for what no kernel would answer to any
//! version of the memory. The message is one that adds a service, and in turn one that everybody
//! may send.

mod lie;
mod replies;
mod stage;

use std::{
    collections::BTreeMap,
    env,
    os::fd::{AsRawFd as _, IntoRawFd as _},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use compat_tests::{genetlink, wire};
use lie::Lie;
use nix::{
    errno::Errno,
    sys::socket::{NetlinkAddr, bind},
    unistd::dup,
};
use stage::Stage;

/// How much longer it may take.
const MOST: u32 = 50;

/// How often each thing happened.
type Tally = BTreeMap<String, u64>;

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    let [family, milliseconds, lies @ ..] = &words[..] else {
        eprintln!("sockvs-liar: not understood");
        return ExitCode::from(2);
    };
    let (Ok(family), Ok(milliseconds)) = (family.parse(), milliseconds.parse()) else {
        eprintln!("sockvs-liar: no numbers");
        return ExitCode::from(2);
    };
    for name in lies {
        let Some(lie) = Lie::from_name(name) else {
            eprintln!("sockvs-liar: no lie {name}");
            return ExitCode::from(2);
        };
        match tell(lie, family, Duration::from_millis(milliseconds)) {
            Ok(tally) => {
                for (what, times) in tally {
                    println!("{name}: {what}: {times}");
                }
            }
            Err(errno) => println!("{name}: wrong: cannot even begin: {errno}"),
        }
    }
    ExitCode::SUCCESS
}

/// The two messages that change places; they are equally long.
fn messages(family: u16) -> [Vec<u8>; 2] {
    let service = wire::nest(
        wire::SERVICE,
        &[
            wire::short(1, 2),
            wire::short(2, wire::TCP),
            wire::attr(3, &[10, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            wire::attr(4, &80_u16.to_be_bytes()),
            wire::text(6, "rr"),
            wire::attr(7, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
            wire::number(8, 0),
            wire::number(9, u32::MAX),
        ],
    );
    let flags = wire::REQUEST | wire::ACK;
    let change = wire::message(family, flags, 1, &wire::generic(1, &[service]));
    // The controller tells everybody which family there is. What it does not know it passes over.
    let mut question = vec![wire::text(wire::FAMILY_NAME, "IPVS")];
    let short = wire::message(
        wire::CONTROLLER,
        flags,
        2,
        &wire::generic(wire::GET_FAMILY, &question),
    )
    .len();
    question.push(wire::attr(60, &vec![0; change.len() - short - 4]));
    let question = wire::message(
        wire::CONTROLLER,
        flags,
        2,
        &wire::generic(wire::GET_FAMILY, &question),
    );
    assert_eq!(change.len(), question.len(), "they change places");
    [change, question]
}

/// Makes calls for so long while the lie is told.
fn tell(lie: Lie, family: u16, time: Duration) -> nix::Result<Tally> {
    let messages = messages(family);
    let socket = genetlink::open()?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    // Another descriptor, which a lie may lead elsewhere or close, while this one stays.
    let called = dup(&socket)?.into_raw_fd();
    let stage = Stage::new(messages.first().map_or(&[], Vec::as_slice))?;
    let over = Arc::new(AtomicBool::new(false));
    let liar = {
        let (over, messages, fd) = (Arc::clone(&over), messages.clone(), called);
        let honest = dup(&socket)?;
        thread::spawn(move || {
            let mut turn = 0_usize;
            while !over.load(Ordering::Relaxed) {
                lie.change(&stage, &messages, fd, &honest, turn);
                turn = turn.wrapping_add(1);
            }
        })
    };
    let mut tally = Tally::new();
    let begun = Instant::now();
    // Until something has changed meanwhile, where the other thread gets no processor.
    while begun.elapsed() < time || (tally.len() < 2 && begun.elapsed() < MOST * time) {
        let came = lie.call(&stage, called);
        *tally.entry(came.to_string()).or_default() += 1;
        for wrong in lie.check(&stage, &came, messages.first().map_or(0, Vec::len)) {
            *tally.entry(format!("wrong: {wrong}")).or_default() += 1;
        }
        replies::read(&socket, &mut tally)?;
    }
    over.store(true, Ordering::Relaxed);
    if liar.join().is_err() {
        return Err(Errno::EFAULT);
    }
    stage.allow(true);
    Ok(tally)
}
