//! The same malformed and unusual netlink messages to the kernel's own IPVS and to sockvs, and the
//! bytes that come back compared. The kernel is asked first, while no daemon runs.
//!
//! `generate` makes datagrams that no client would send, the same ones for the same seed, and
//! `talk` sends them and gathers what comes back. Neither knows what the answer should be: the
//! kernel does.
//!
//! Usage: `sockvs-raw-conformance [MESSAGES [SEED]]`

mod generate;
mod talk;

use std::process::{Command, ExitCode};

use crate::talk::Socket;
use compat_tests::{
    Cgroup, Daemon, Folder, Intercept, Namespace, Place, binaries, random::Random, root, wire,
};

const MESSAGES: u32 = 5000;
const SEED: u64 = 4;
/// After so many, both sides start again with an empty table, so that one difference does not bring
/// about a thousand.
const ROUND: u32 = 20;
const SHOWN: usize = 40;

/// What was sent and what came back.
struct Exchange {
    sent: Vec<u8>,
    answer: Vec<Vec<u8>>,
}

fn main() -> ExitCode {
    match conform() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("raw conformance: {problem}");
            ExitCode::from(2)
        }
    }
}

fn conform() -> Result<bool, String> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u32>());
    let mut number = |default| numbers.next().unwrap_or(Ok(default));
    let count = number(MESSAGES).map_err(|error| error.to_string())?;
    let seed = number(u32::try_from(SEED).unwrap_or(0)).map_err(|error| error.to_string())?;
    root::require();
    let loaded = Command::new(binaries::installed("modprobe"))
        .arg("ip_vs")
        .status();
    if !loaded.is_ok_and(|status| status.success()) {
        return Err("this kernel has no ip_vs to compare with".to_owned());
    }
    let kernel = side(count, seed)?;
    let (namespace, cgroup, folder) = (Namespace::new(), Cgroup::new(), Folder::new());
    let place = Place::new(&namespace);
    let all = ["--netns", "all"];
    let _daemon = Daemon::start(place, &cgroup, &folder, Intercept::Bpf, &all);
    let ours = side(count, seed)?;

    let mut differ = 0;
    for (number, (kernel, ours)) in kernel.iter().zip(&ours).enumerate() {
        if kernel.answer == ours.answer {
            continue;
        }
        differ += 1;
        if differ <= SHOWN {
            println!("differs: message {number}: {}", hex(&kernel.sent));
            for (who, exchange) in [("kernel", kernel), ("sockvs", ours)] {
                for message in &exchange.answer {
                    println!("  {who}: {}", hex(message));
                }
            }
        }
    }
    println!("raw conformance: seed {seed}, {count} messages, {differ} differ");
    Ok(differ == 0)
}

/// Asks the side that answers now, in a namespace of its own.
fn side(count: u32, seed: u32) -> Result<Vec<Exchange>, String> {
    let namespace = Namespace::new();
    namespace.enter(|| {
        let mut random = Random::new(seed.into());
        let socket = Socket::open().map_err(|errno| format!("the family IPVS: {errno}"))?;
        let mut exchanges = Vec::new();
        for number in 0..count {
            if number % ROUND == 0 {
                start_again(&socket);
            }
            let sent = generate::datagram(&mut random, socket.family(), number + 1);
            let answer = socket.ask(&sent);
            exchanges.push(Exchange { sent, answer });
        }
        Ok(exchanges)
    })
}

/// Empties the table, ends the sync daemons, and makes two services.
fn start_again(socket: &Socket) {
    let send = |command: u8, attributes: &[Vec<u8>]| {
        let payload = wire::generic(command, attributes);
        let flags = wire::REQUEST | wire::ACK;
        socket.ask(&wire::message(socket.family(), flags, 1, &payload));
    };
    send(17, &[]);
    for state in [1, 2] {
        send(10, &[wire::nest(wire::DAEMON, &[wire::number(1, state)])]);
    }
    for last in [1, 2] {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[10, 0, 0, last]);
        let service = [
            wire::short(1, 2),
            wire::short(2, wire::TCP),
            wire::attr(3, &address),
            wire::attr(4, &[0, 80]),
            wire::text(6, "rr"),
            wire::attr(7, &[0, 0, 0, 0, 255, 255, 255, 255]),
            wire::number(8, 0),
            wire::number(9, u32::MAX),
        ];
        send(1, &[wire::nest(wire::SERVICE, &service)]);
    }
}

fn hex(bytes: &[u8]) -> String {
    let words = bytes.chunks(4);
    words
        .map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect::<Vec<String>>()
        .join(" ")
}
