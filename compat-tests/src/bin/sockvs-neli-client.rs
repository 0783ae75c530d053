//! The client on neli as a program that is talked with, in ipvsadm's words. With `-R`, rules are
//! separated by a `;`.

use std::io;

use compat_tests::{
    answering,
    neli_client::{Command, NeliClient},
    rule::{Key, Rule},
    wire,
};
use nix::errno::Errno;

fn main() -> io::Result<()> {
    let mut client = None;
    answering::answer(|verb, words| {
        // A client may be started before there is a daemon.
        let client = match &mut client {
            Some(client) => client,
            None => client.insert(NeliClient::new()?),
        };
        answer(client, verb, words)
    })
}

fn answer(client: &NeliClient, verb: &str, words: &[&str]) -> Result<Vec<String>, Errno> {
    let rule = || Rule::parse(words).ok_or(Errno::ENOSYS);
    match (verb, words) {
        ("-A", _) => client.put_service(Command::NewService, &rule()?.service)?,
        ("-E", _) => client.put_service(Command::SetService, &rule()?.service)?,
        ("-D", _) => client.with_service(Command::DelService, &rule()?.service.key)?,
        ("-a", _) => client.with_server(Command::NewDest, &rule()?)?,
        ("-e", _) => client.with_server(Command::SetDest, &rule()?)?,
        ("-d", _) => client.with_server(Command::DelDest, &rule()?)?,
        ("-Z", []) => client.with_all(Command::Zero)?,
        ("-Z", _) => client.with_service(Command::Zero, &rule()?.service.key)?,
        ("-C", []) => client.with_all(Command::Flush)?,
        ("--set", &[tcp, fin, udp]) => {
            let seconds = |text: &str| text.parse().map_err(|_| Errno::ENOSYS);
            client.set_timeouts([seconds(tcp)?, seconds(fin)?, seconds(udp)?])?;
        }
        ("-R", _) => {
            for words in words.split(|word| *word == ";") {
                let (verb, words) = words.split_first().ok_or(Errno::ENOSYS)?;
                answer(client, verb, words)?;
            }
        }
        ("-S", ["-n"]) => {
            return Ok(client
                .table()?
                .iter()
                .map(|(rule, _)| rule.to_string())
                .collect());
        }
        ("-L", ["-n", "--stats"]) => {
            let table = client.table()?;
            let line = |(rule, stats): &(Rule, [u64; 5])| {
                stats
                    .iter()
                    .fold(name(rule), |line, number| format!("{line} {number}"))
            };
            return Ok(table.iter().map(line).collect());
        }
        ("-L", ["--timeout"]) => {
            let [tcp, fin, udp] = client.timeouts()?;
            return Ok(vec![format!("Timeout (tcp tcpfin udp): {tcp} {fin} {udp}")]);
        }
        _ => return Err(Errno::ENOSYS),
    }
    Ok(vec![])
}

/// What ipvsadm lists a service or a server as.
fn name(rule: &Rule) -> String {
    match (&rule.server, &rule.service.key) {
        (Some(server), _) => format!("-> {}", server.address),
        (None, Key::Address(wire::TCP, address)) => format!("TCP {address}"),
        (None, Key::Address(_, address)) => format!("UDP {address}"),
        (None, Key::Mark(mark, false)) => format!("FWM {mark}"),
        (None, Key::Mark(mark, true)) => format!("FWM {mark} IPv6"),
    }
}
