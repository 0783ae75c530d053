//! What a table should hold, by the changes that were made: the same words that the clients get.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use crate::clients::rule::{Key, Rule, Server, Service};

/// A table, or the part of it that one client changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    services: BTreeMap<String, (Service, BTreeMap<SocketAddr, Server>)>,
}

impl Ledger {
    /// Carries out a change, given as the arguments of `ipvsadm`.
    ///
    /// # Panics
    ///
    /// When the change makes no sense: a mistake of the test's.
    pub fn apply(&mut self, change: &str) {
        let words: Vec<&str> = change.split_whitespace().collect();
        let Some((&verb, words)) = words.split_first() else {
            panic!("no change");
        };
        if verb == "-C" {
            self.services.clear();
            return;
        }
        let rule = Rule::parse(words).unwrap_or_else(|| panic!("not understood: {change}"));
        let key = rule.service.key.to_string();
        match (verb, rule.server) {
            ("-A", None) => {
                let before = self.services.insert(key, (rule.service, BTreeMap::new()));
                assert!(before.is_none(), "there is one already: {change}");
            }
            ("-D", None) => {
                let before = self.services.remove(&key);
                assert!(before.is_some(), "there is none: {change}");
            }
            ("-E", None) => self.entry(&key, change).0 = rule.service,
            ("-a", Some(server)) => {
                let before = self.entry(&key, change).1.insert(server.address, server);
                assert!(before.is_none(), "there is one already: {change}");
            }
            ("-e", Some(server)) => {
                let before = self.entry(&key, change).1.insert(server.address, server);
                assert!(before.is_some(), "there is none: {change}");
            }
            ("-d", Some(server)) => {
                let before = self.entry(&key, change).1.remove(&server.address);
                assert!(before.is_some(), "there is none: {change}");
            }
            _ => panic!("not understood: {change}"),
        }
    }

    fn entry(&mut self, key: &str, change: &str) -> &mut (Service, BTreeMap<SocketAddr, Server>) {
        self.services
            .get_mut(key)
            .unwrap_or_else(|| panic!("no such service: {change}"))
    }

    /// Whether it holds this service (`-t 10.9.0.1:80`), or this server of it (`-r 127.0.0.1:80`).
    #[must_use]
    pub fn has(&self, service: &str, server: Option<&str>) -> bool {
        let Some((_, servers)) = self.services.get(service) else {
            return false;
        };
        let address = server.map(|server| server.parse().expect("an address and a port"));
        address.is_none_or(|address: SocketAddr| servers.contains_key(&address))
    }

    /// Its lines as `ipvsadm -S -n` prints them, in no order.
    #[must_use]
    pub fn lines(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for (service, servers) in self.services.values() {
            let rule = |server| Rule {
                service: service.clone(),
                server,
            };
            lines.insert(rule(None).to_string());
            lines.extend(
                servers
                    .values()
                    .map(|server| rule(Some(server.clone())).to_string()),
            );
        }
        lines
    }
}

/// The lines of `ipvsadm -S -n` whose services are among `ours`.
#[must_use]
pub fn lines_of(saved: &str, ours: impl Fn(&Key) -> bool) -> BTreeSet<String> {
    let is_ours = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        Rule::parse(&words).is_none_or(|rule| ours(&rule.service.key))
    };
    saved.lines().filter(is_ours).map(str::to_owned).collect()
}
