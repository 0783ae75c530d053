//! A malicious user without rights. Given as arguments, or line by line as in `answering` of
//! this package, it is told what to do; that goes on until it is killed.

mod descriptors;
mod flood;
mod memory;
mod outcome;

use std::{
    env,
    io::{BufRead as _, Write as _, stdin, stdout},
};

use nix::unistd::{Gid, Uid, pause, setgroups, setresgid, setresuid};
use outcome::Outcome;

/// The user `nobody`.
const USER: u32 = 65_534;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    setgroups(&[])?;
    let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    let words: Vec<String> = env::args().skip(1).collect();
    if !words.is_empty() {
        attack(&words.join(" "))?;
        loop {
            pause();
        }
    }
    for line in stdin().lock().lines() {
        match attack(&line?) {
            Ok(()) => println!("ok"),
            Err(error) => println!("\t{error}\nerrno {}", libc::EINVAL),
        }
        stdout().flush()?;
    }
    Ok(())
}

fn attack(line: &str) -> Outcome {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["lingering", socket, count] => descriptors::lingering(socket, count.parse()?),
        ["file", socket, count, path] => descriptors::file(socket, count.parse()?, path),
        ["send-on", path, count] => descriptors::send_on(path, count.parse()?),
        ["close-while-sending", trials] => descriptors::close_while_sending(trials.parse()?),
        ["send-from", path, count] => memory::send_from(path, count.parse()?),
        ["connect", socket, threads] => flood::connect(socket, threads.parse()?),
        ["ask", socket, threads] => flood::ask(socket, threads.parse()?),
        ["connections", socket, count] => flood::connections(socket, count.parse()?),
        _ => Err(format!("what is {line:?}?").into()),
    }
}
