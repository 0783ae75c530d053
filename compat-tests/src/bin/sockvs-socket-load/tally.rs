//! How often what came of it: the lines of an answer.

use std::{collections::BTreeMap, net::SocketAddr};

use nix::errno::Errno;

/// An account.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Something happened.
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    /// A call came back.
    pub(crate) fn result<T>(&mut self, result: &Result<T, Errno>) {
        match result {
            Ok(_) => self.note("ok"),
            Err(errno) => self.note(format!("{errno:?}")),
        }
    }

    /// A connection to a service began, which the service counts.
    pub(crate) fn begun(&mut self, protocol: &str, service: SocketAddr) {
        self.note(format!("{protocol}/{service}"));
    }

    /// The lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.0.iter();
        lines
            .map(|(name, number)| format!("{name} {number}"))
            .collect()
    }
}
