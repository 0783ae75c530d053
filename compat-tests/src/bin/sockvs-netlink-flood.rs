//! Sends requests to the IPVS family as fast as it can, on so many threads, and reads no reply.
//!
//! `sockvs-netlink-flood THREADS` prints a line when it has begun, and goes on until it is killed.
//! With `elsewhere` after it, the requests are for another family, the kernel's own: what such a flood
//! does to the machine by itself.

use std::{env, os::fd::AsRawFd as _, process::ExitCode, thread};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket,
};

/// The number that sockvsd gives to the family.
const FAMILY: u16 = 0x4956;
/// The controller's number.
const GENL_ID_CTRL: u16 = 0x10;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
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
        let list = message(FAMILY, NLM_F_REQUEST | NLM_F_DUMP, GET_SERVICE, &[]);
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
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkGeneric,
    )?;
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
    let mut attribute = 12_u16.to_ne_bytes().to_vec();
    attribute.extend(CTRL_ATTR_FAMILY_NAME.to_ne_bytes());
    attribute.extend(name);
    message(GENL_ID_CTRL, NLM_F_REQUEST, CTRL_CMD_GETFAMILY, &attribute)
}

fn message(kind: u16, flags: u16, command: u8, attributes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(20 + attributes.len()).unwrap_or(0);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([command, 1, 0, 0]);
    bytes.extend(attributes);
    bytes
}
