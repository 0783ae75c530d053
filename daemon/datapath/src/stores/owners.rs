//! The owners of namespaces that have a table. A namespace's use of the maps counts for its owner.

use std::collections::HashMap;

use sockvs_ebpf_common::MAX_NAMESPACES;

use crate::stores::shares::{Limit, Shares};
use sockvs_ipvs::{DataPathFull, Namespace, Owner, Usage};

/// The namespaces that have a table, and their owners.
pub(crate) struct Owners {
    shares: Shares,
    by_namespace: HashMap<Namespace, Owner>,
}

impl Owners {
    /// No namespace has a table.
    pub(crate) fn new() -> Self {
        Self {
            shares: Shares::new(Limit {
                of: "network namespaces with a table",
                option: None,
                most: MAX_NAMESPACES,
            }),
            by_namespace: HashMap::new(),
        }
    }

    /// Registers a namespace with a table of an earlier daemon. Its owner is not known yet.
    pub(crate) fn restored(&mut self, ns: Namespace) {
        if self.by_namespace.insert(ns, Owner::Host).is_none() {
            self.shares.count(Owner::Host, 1);
        }
    }

    /// Registers a namespace with a table and its owner. Returns the owner that was assumed until
    /// now, if it differs.
    pub(crate) fn begin(
        &mut self,
        ns: Namespace,
        owner: Owner,
    ) -> Result<Option<Owner>, DataPathFull> {
        let before = match self.by_namespace.get(&ns) {
            Some(before) if *before == owner => return Ok(None),
            Some(before) => {
                self.shares.release(*before, 1);
                self.shares.count(owner, 1);
                Some(*before)
            }
            None => {
                // The host's tables do not depend on entries in the maps.
                let room = self.shares.take(owner, 1);
                if room.is_err() && !owner.is_host() {
                    return Err(DataPathFull::NoSpace);
                }
                if room.is_err() {
                    self.shares.count(owner, 1);
                }
                None
            }
        };
        self.by_namespace.insert(ns, owner);
        Ok(before)
    }

    /// The namespace's owner.
    pub(crate) fn of(&self, ns: Namespace) -> Owner {
        self.by_namespace.get(&ns).copied().unwrap_or_default()
    }

    /// Removes a namespace that has no table any more.
    pub(crate) fn forget(&mut self, ns: Namespace) {
        if let Some(owner) = self.by_namespace.remove(&ns) {
            self.shares.release(owner, 1);
        }
    }

    /// How much is in use, for the status.
    pub(crate) fn usage(&self) -> Usage {
        self.shares.usage()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_counts_once_until_it_is_forgotten() {
        let (user, ns) = (Owner::User(7), Namespace(1));
        let mut owners = Owners::new();
        assert_eq!(owners.begin(ns, user), Ok(None));
        assert_eq!(owners.begin(ns, user), Ok(None));
        assert_eq!((owners.of(ns), owners.usage().used), (user, 1));
        owners.forget(ns);
        owners.forget(ns);
        assert_eq!((owners.of(ns), owners.usage().used), (Owner::Host, 0));
    }

    #[test]
    fn a_restored_namespace_gets_the_owner_that_is_found() {
        let (user, ns) = (Owner::User(7), Namespace(1));
        let mut owners = Owners::new();
        owners.restored(ns);
        assert_eq!(owners.begin(ns, user), Ok(Some(Owner::Host)));
        assert_eq!((owners.usage().used, owners.usage().others), (1, 1));
    }

    #[test]
    fn a_user_gets_a_share_of_the_tables_and_the_host_any_number() {
        let mut owners = Owners::new();
        let got = (0..)
            .take_while(|ns| owners.begin(Namespace(*ns), Owner::User(7)).is_ok())
            .count();
        assert_eq!(got, MAX_NAMESPACES as usize / 8);
        for ns in 0..2 * u64::from(MAX_NAMESPACES) {
            assert!(owners.begin(Namespace((1 << 40) + ns), Owner::Host).is_ok());
        }
    }
}
