//! The account: how many connections each service gave to each source address (and so to each
//! server), and what came of all that was tried.
//!
//! Its lines are `chosen tcp|udp SERVICE SOURCE NUMBER` and `outcome NAME NUMBER`.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use compat_tests::answering::parse;
use nix::errno::Errno;

/// An account.
#[derive(Default)]
pub(crate) struct Tally {
    chosen: BTreeMap<(&'static str, SocketAddr, IpAddr), u64>,
    outcomes: BTreeMap<String, u64>,
}

impl Tally {
    /// A connection was begun: a SYN is on its way, or a UDP socket was connected or has sent its
    /// first datagram to the service.
    pub(crate) fn chosen(&mut self, protocol: &'static str, service: SocketAddr, source: IpAddr) {
        *self.chosen.entry((protocol, service, source)).or_default() += 1;
    }

    /// Something came of it.
    pub(crate) fn outcome(&mut self, name: impl Into<String>) {
        *self.outcomes.entry(name.into()).or_default() += 1;
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> u64 {
        self.chosen.values().sum()
    }

    /// Adds another account.
    pub(crate) fn add(&mut self, other: Self) {
        for (key, number) in other.chosen {
            *self.chosen.entry(key).or_default() += number;
        }
        for (name, number) in other.outcomes {
            *self.outcomes.entry(name).or_default() += number;
        }
    }

    /// The lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let chosen = self
            .chosen
            .iter()
            .map(|((protocol, service, source), number)| {
                format!("chosen {protocol} {service} {source} {number}")
            });
        let outcomes = self
            .outcomes
            .iter()
            .map(|(name, number)| format!("outcome {name} {number}"));
        chosen.chain(outcomes).collect()
    }

    /// Adds a line of another account.
    pub(crate) fn add_line(&mut self, line: &str) -> Result<(), Errno> {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["chosen", protocol, service, source, number] => {
                let protocol = if protocol == "udp" { "udp" } else { "tcp" };
                let key = (protocol, parse(service)?, parse(source)?);
                *self.chosen.entry(key).or_default() += parse::<u64>(number)?;
            }
            ["outcome", name, number] => {
                *self.outcomes.entry(name.to_owned()).or_default() += parse::<u64>(number)?;
            }
            _ => return Err(Errno::EPROTO),
        }
        Ok(())
    }
}
