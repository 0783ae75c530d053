//! Makes one `setsockopt` or `getsockopt` call of level IPPROTO_IP, as badly as it is told to, and
//! prints what comes back.
//!
//! `sockvs-option-client SOCKET set NUMBER FIELD…`, `… get NUMBER LENGTH FIELD…`, or with `set-bad`
//! and `get-bad` for `set` and `get`: the value is at an address where there is no memory.
//!
//! SOCKET is `raw`, `udp`, `tcp`, `udp6` or `unix`. The fields make the memory's contents:
//! `h6` is 16 bits, `w7` 32 bits, `a10.0.0.1` an address, `p80` a port, `nrr` a name of 16 bytes,
//! `z4` so many zeros, `f3` so many bytes of ones.

use std::{
    env,
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, OwnedFd},
    process::ExitCode,
};

use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket},
};

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match call(&words) {
        Some(Ok(line)) => println!("{line}"),
        Some(Err(errno)) => println!("{errno:?}"),
        None => {
            eprintln!("sockvs-option-client: not understood");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Makes the call; `None` if the words make no sense.
fn call(words: &[&str]) -> Option<nix::Result<String>> {
    let [kind, verb, number, rest @ ..] = words else {
        return None;
    };
    let number = number.parse().ok()?;
    let (verb, bad) = match verb.strip_suffix("-bad") {
        Some(verb) => (verb, true),
        None => (*verb, false),
    };
    let socket = match open(kind)? {
        Ok(socket) => socket,
        Err(errno) => return Some(Err(errno)),
    };
    match verb {
        "set" => Some(set(&socket, number, &memory(rest)?, bad)),
        "get" => {
            let (length, fields) = rest.split_first()?;
            Some(get(
                &socket,
                number,
                length.parse().ok()?,
                memory(fields)?,
                bad,
            ))
        }
        _ => None,
    }
}

fn open(kind: &str) -> Option<nix::Result<OwnedFd>> {
    let (family, kind, protocol) = match kind {
        "raw" => (AddressFamily::Inet, SockType::Raw, Some(SockProtocol::Raw)),
        "udp" => (AddressFamily::Inet, SockType::Datagram, None),
        "tcp" => (AddressFamily::Inet, SockType::Stream, None),
        "udp6" => (AddressFamily::Inet6, SockType::Datagram, None),
        "unix" => (AddressFamily::Unix, SockType::Stream, None),
        _ => return None,
    };
    Some(socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol))
}

/// The bytes that the fields make.
fn memory(fields: &[&str]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for field in fields {
        let (kind, value) = field.split_at_checked(1)?;
        match kind {
            "h" => bytes.extend(value.parse::<u16>().ok()?.to_ne_bytes()),
            "w" => bytes.extend(
                value
                    .parse::<i64>()
                    .ok()?
                    .to_ne_bytes()
                    .first_chunk::<4>()?,
            ),
            "a" => bytes.extend(value.parse::<Ipv4Addr>().ok()?.octets()),
            "p" => bytes.extend(value.parse::<u16>().ok()?.to_be_bytes()),
            "n" => {
                let mut name = value.as_bytes().to_vec();
                name.resize(16, 0);
                bytes.extend(name);
            }
            "z" => bytes.extend(vec![0; value.parse().ok()?]),
            "f" => bytes.extend(vec![0xff; value.parse().ok()?]),
            _ => return None,
        }
    }
    Some(bytes)
}

/// An address where there is no memory.
const NOWHERE: *mut libc::c_void = 8 as *mut libc::c_void;

fn set(socket: &OwnedFd, number: i32, memory: &[u8], bad: bool) -> nix::Result<String> {
    let length = libc::socklen_t::try_from(memory.len()).map_err(|_| Errno::E2BIG)?;
    let value = if bad {
        NOWHERE.cast_const()
    } else {
        memory.as_ptr().cast()
    };
    // SAFETY: the kernel reads at most `length` bytes, which is as many as `memory` has. At a bad
    // address it finds nothing to read, and says so.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, number, value, length) };
    Errno::result(result).map(|result| format!("returned {result}"))
}

fn get(
    socket: &OwnedFd,
    number: i32,
    length: i32,
    mut memory: Vec<u8>,
    bad: bool,
) -> nix::Result<String> {
    let room = usize::try_from(length).unwrap_or(0);
    memory.resize(room.max(memory.len()), 0);
    let value = if bad {
        NOWHERE
    } else {
        memory.as_mut_ptr().cast()
    };
    // A length that is negative is one of the things to try.
    let mut told = length.cast_unsigned();
    // SAFETY: the kernel writes at most `told` bytes, and `memory` has as many. At a bad address it
    // finds nothing to write to, and says so.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            number,
            value,
            &raw mut told,
        )
    };
    let hex: String = memory.iter().map(|byte| format!("{byte:02x}")).collect();
    let result = Errno::result(result)?;
    Ok(format!("returned {result}, length {told}: {hex}"))
}
