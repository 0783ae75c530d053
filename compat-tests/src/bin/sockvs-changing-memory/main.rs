//! A client whose memory changes while it is read: what a call sends, and where it says that this
//! is, is rewritten by a second thread all the time.
//!
//! `sockvs-changing-memory FAMILY MILLISECONDS CHANGE…` makes each of the changes for so long. For
//! each it prints what its calls came to and how often, and `wrong …` for what no kernel would
//! answer to any version of the memory. The message is one that adds a service, and in turn one
//! that every user may send.

mod change;
mod memory;
mod replies;

use std::{
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

use change::Change;
use compat_tests::{genetlink, wire};
use memory::Memory;
use nix::{
    errno::Errno,
    sys::socket::{NetlinkAddr, bind},
    unistd::dup,
};
use replies::Tally;

/// How much longer it may take.
const MOST: u32 = 50;

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    let [family, milliseconds, changes @ ..] = &words[..] else {
        eprintln!("sockvs-changing-memory: not understood");
        return ExitCode::from(2);
    };
    let (Ok(family), Ok(milliseconds)) = (family.parse(), milliseconds.parse()) else {
        eprintln!("sockvs-changing-memory: no numbers");
        return ExitCode::from(2);
    };
    for name in changes {
        let Some(change) = Change::from_name(name) else {
            eprintln!("sockvs-changing-memory: no change {name}");
            return ExitCode::from(2);
        };
        match repeat(change, family, Duration::from_millis(milliseconds)) {
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
    // The controller tells every user which family there is, and ignores attributes it does not
    // know.
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

/// Makes calls for so long while its memory changes.
fn repeat(change: Change, family: u16, time: Duration) -> nix::Result<Tally> {
    let messages = messages(family);
    let socket = genetlink::open()?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    // Another descriptor, which a change may redirect or close, while this one stays.
    let called = dup(&socket)?.into_raw_fd();
    let memory = Memory::new(messages.first().map_or(&[], Vec::as_slice))?;
    let over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (over, messages, fd) = (Arc::clone(&over), messages.clone(), called);
        let intended = dup(&socket)?;
        thread::spawn(move || {
            let mut turn = 0_usize;
            while !over.load(Ordering::Relaxed) {
                change.apply(&memory, &messages, fd, &intended, turn);
                turn = turn.wrapping_add(1);
            }
        })
    };
    let mut tally = Tally::new();
    let begun = Instant::now();
    // Until something has changed meanwhile, where the other thread gets no processor.
    while begun.elapsed() < time || (tally.len() < 2 && begun.elapsed() < MOST * time) {
        let came = change.call(&memory, called);
        *tally.entry(came.to_string()).or_default() += 1;
        for wrong in change.check(&memory, &came, messages.first().map_or(0, Vec::len)) {
            *tally.entry(format!("wrong: {wrong}")).or_default() += 1;
        }
        replies::read(&socket, &mut tally)?;
    }
    over.store(true, Ordering::Relaxed);
    if writer.join().is_err() {
        return Err(Errno::EFAULT);
    }
    memory.allow(true);
    Ok(tally)
}
