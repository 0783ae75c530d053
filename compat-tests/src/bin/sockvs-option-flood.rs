//! Changes the IPVS table of its network namespace by socket options, as often as it can.
//!
//! * `sockvs-option-flood services` adds services until one is refused;
//! * `sockvs-option-flood servers` adds a service and servers to it until one is refused;
//! * `sockvs-option-flood changes` adds and deletes services until it is killed, of which each
//!   hundred
//!   are those of a process of its own.
//!
//! The first two print how many there were, and stay until their standard input ends; the last one
//! prints a line when it has begun.

use std::{
    env,
    io::{self, Read as _},
    os::fd::{AsRawFd as _, OwnedFd},
    process::{Command, ExitCode},
};

use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

/// `IP_VS_BASE_CTL` and what it is the base of (`linux/ip_vs.h`).
const BASE: i32 = 64 + 1024 + 64;
const ADD: i32 = BASE + 2;
const DELETE: i32 = BASE + 4;
const ADD_SERVER: i32 = BASE + 7;

/// How many changes a process makes.
const OF_ONE: u32 = 100;

fn main() -> ExitCode {
    let mode = env::args().nth(1).unwrap_or_default();
    let done = match mode.as_str() {
        "services" => fill(|socket, number| set(socket, ADD, &service(number))),
        "servers" => fill(|socket, number| {
            if number == 0 {
                set(socket, ADD, &service(0))?;
            }
            let argument = [&service(0)[..], &server(number)].concat();
            set(socket, ADD_SERVER, &argument)
        }),
        "changes" => {
            println!("flooding");
            flood()
        }
        "hundred" => hundred(),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockvs-option-flood: {error}");
            ExitCode::FAILURE
        }
    }
}

fn fill(add: impl Fn(&OwnedFd, u32) -> nix::Result<()>) -> io::Result<()> {
    let socket = open()?;
    let mut number = 0;
    let refused = loop {
        match add(&socket, number) {
            Ok(()) => number += 1,
            Err(errno) => break errno,
        }
    };
    println!("{number} {refused:?}");
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

fn flood() -> io::Result<()> {
    loop {
        let mut process = Command::new(env::current_exe()?);
        process.arg("hundred").status()?;
    }
}

fn hundred() -> io::Result<()> {
    let socket = open()?;
    for number in 0..OF_ONE / 2 {
        // Beside others of the same kind, another one may have been first.
        let _ = set(&socket, ADD, &service(number));
        let _ = set(&socket, DELETE, &service(number));
    }
    Ok(())
}

fn open() -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    Ok(socket)
}

/// `struct ip_vs_service_user`: TCP, an address in 10.9.0.0/16, port 80, round robin.
fn service(number: u32) -> Vec<u8> {
    let mut bytes = vec![0; 44];
    bytes[..2].copy_from_slice(&6_u16.to_ne_bytes());
    bytes[4..8].copy_from_slice(&(0x0a09_0001 + number).to_be_bytes());
    bytes[8..10].copy_from_slice(&80_u16.to_be_bytes());
    bytes[16..18].copy_from_slice(b"rr");
    bytes[40..44].copy_from_slice(&u32::MAX.to_ne_bytes());
    bytes
}

/// `struct ip_vs_dest_user`: an address in 10.1.0.0/16, port 80, weight 1.
fn server(number: u32) -> Vec<u8> {
    let mut bytes = vec![0; 24];
    bytes[..4].copy_from_slice(&(0x0a01_0001 + number).to_be_bytes());
    bytes[4..6].copy_from_slice(&80_u16.to_be_bytes());
    bytes[12..16].copy_from_slice(&1_i32.to_ne_bytes());
    bytes
}

fn set(socket: &OwnedFd, option: i32, argument: &[u8]) -> nix::Result<()> {
    let length = libc::socklen_t::try_from(argument.len()).map_err(|_| Errno::E2BIG)?;
    // SAFETY: the kernel reads at most `length` bytes, which is as many as there are.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            option,
            argument.as_ptr().cast(),
            length,
        )
    };
    Errno::result(result).map(drop)
}
