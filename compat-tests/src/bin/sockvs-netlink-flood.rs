//! Sends requests to the IPVS family as fast as it can, on so many threads, and reads no reply.
//!
//! `sockvs-netlink-flood THREADS` prints a line when it has begun, and goes on until it is killed.
//! With `elsewhere` after it, the requests are for another family, the kernel's own: what such a
//! flood does to the machine by itself.

use std::{env, os::fd::AsRawFd as _, process::ExitCode, thread};

use compat_tests::{genetlink, wire};
use nix::sys::socket::{MsgFlags, NetlinkAddr, sendto};

/// The number that sockvsd gives to the family.
const FAMILY: u16 = 0x4956;
/// `IPVS_CMD_GET_SERVICE`
const GET_SERVICE: u8 = 4;

fn main() -> ExitCode {
    let threads = env::args().nth(1).and_then(|word| word.parse().ok());
    let Some(threads) = threads else {
        eprintln!("sockvs-netlink-flood: not understood");
        return ExitCode::from(2);
    };
    let elsewhere = env::args().nth(2).is_some_and(|word| word == "elsewhere");
    let messages = if elsewhere {
        vec![asks_for(b"nlctrl\0\0")]
    } else {
        let flags = wire::REQUEST | wire::DUMP;
        let list = wire::message(FAMILY, flags, 0, &wire::generic(GET_SERVICE, &[]));
        vec![asks_for(b"IPVS\0\0\0\0"), list]
    };
    let messages: &'static [_] = messages.leak();
    let flooding: Vec<_> = (0..threads)
        .map(|_| thread::spawn(|| flood(messages)))
        .collect();
    println!("flooding");
    for thread in flooding {
        if let Ok(Err(errno)) = thread.join() {
            eprintln!("sockvs-netlink-flood: {errno}");
        }
    }
    ExitCode::FAILURE
}

fn flood(messages: &[Vec<u8>]) -> nix::Result<()> {
    let socket = genetlink::open()?;
    let kernel = NetlinkAddr::new(0, 0);
    loop {
        for message in messages {
            // That there is no room is what a flood leads to.
            let _ = sendto(socket.as_raw_fd(), message, &kernel, MsgFlags::MSG_DONTWAIT);
        }
    }
}

/// Asks the controller for a family. The name ends with a zero, and may be followed by more.
fn asks_for(name: &[u8; 8]) -> Vec<u8> {
    let name = wire::attr(wire::FAMILY_NAME, name);
    let question = wire::generic(wire::GET_FAMILY, &[name]);
    wire::message(wire::CONTROLLER, wire::REQUEST, 0, &question)
}
