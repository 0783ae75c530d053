//! Allocates ids of services and destinations, which are the indexes of their records.
//!
//! It manages numbers only; `chunks` provides the memory.

use std::collections::HashMap;

use crate::stores::shares::{Limit, Shares};
use sockvs_ipvs::{DataPathFull, Owner, Usage};

/// Single indexes, up to a limit.
#[derive(Debug)]
pub(crate) struct IdAllocator {
    shares: Shares,
    next: u32,
    free: Vec<u32>,
    /// The owners of indexes that do not belong to the host.
    owners: HashMap<u32, Owner>,
}

impl IdAllocator {
    /// An allocator with nothing in use.
    pub(crate) fn new(limit: Limit) -> Self {
        Self {
            shares: Shares::new(limit),
            next: 0,
            free: Vec::new(),
            owners: HashMap::new(),
        }
    }

    /// An allocator in which those of the first `next` indexes are in use for which `used` returns
    /// true. They belong to the host until [`set_owner`](Self::set_owner) changes that.
    pub(crate) fn with_used(limit: Limit, next: u32, used: impl Fn(u32) -> bool) -> Self {
        let mut ids = Self::new(limit);
        ids.next = next;
        // The last one is allocated first.
        ids.free = (0..next).rev().filter(|index| !used(*index)).collect();
        let in_use = next.saturating_sub(u32::try_from(ids.free.len()).unwrap_or(next));
        ids.shares.count(Owner::Host, in_use);
        ids
    }

    /// The limit of indexes.
    pub(crate) fn limit(&self) -> Limit {
        self.shares.limit()
    }

    /// How much is in use, for the status.
    pub(crate) fn usage(&self) -> Usage {
        self.shares.usage()
    }

    /// Allocates an index for this owner.
    pub(crate) fn alloc(&mut self, owner: Owner) -> Result<u32, DataPathFull> {
        self.shares.take(owner, 1)?;
        let Some(index) = self.unused() else {
            self.shares.release(owner, 1);
            return Err(DataPathFull::NoSpace);
        };
        if !owner.is_host() {
            self.owners.insert(index, owner);
        }
        Ok(index)
    }

    fn unused(&mut self) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            return Some(index);
        }
        let index = self.next;
        self.next = index.checked_add(1)?;
        Some(index)
    }

    /// The owner of an index in use.
    pub(crate) fn owner(&self, index: u32) -> Owner {
        self.owners.get(&index).copied().unwrap_or_default()
    }

    /// Sets the owner of an index in use.
    pub(crate) fn set_owner(&mut self, index: u32, owner: Owner) {
        self.shares.release(self.owner(index), 1);
        self.shares.count(owner, 1);
        if owner.is_host() {
            self.owners.remove(&index);
        } else {
            self.owners.insert(index, owner);
        }
    }

    /// Frees the index.
    pub(crate) fn free(&mut self, index: u32) {
        let owner = self.owners.remove(&index).unwrap_or_default();
        self.shares.release(owner, 1);
        self.free.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(most: u32) -> Limit {
        Limit {
            of: "things",
            option: Some("--max-things"),
            most,
        }
    }

    #[test]
    fn indexes_are_limited() {
        let mut ids = IdAllocator::new(at_most(2));
        let taken = [
            ids.alloc(Owner::Host),
            ids.alloc(Owner::Host),
            ids.alloc(Owner::Host),
        ];
        assert_eq!(taken, [Ok(0), Ok(1), Err(DataPathFull::NoSpace)]);
        ids.free(0);
        let taken = [ids.alloc(Owner::Host), ids.alloc(Owner::Host)];
        assert_eq!(taken, [Ok(0), Err(DataPathFull::NoSpace)]);
    }

    #[test]
    fn freed_indexes_are_reused_before_new_ones() {
        let mut ids = IdAllocator::new(at_most(9));
        assert_eq!(
            (ids.alloc(Owner::Host), ids.alloc(Owner::Host)),
            (Ok(0), Ok(1))
        );
        ids.free(0);
        assert_eq!(
            (ids.alloc(Owner::Host), ids.alloc(Owner::Host)),
            (Ok(0), Ok(2))
        );
    }

    #[test]
    fn only_unused_indexes_are_allocated() {
        let mut ids = IdAllocator::with_used(at_most(9), 4, |index| index == 1);
        let taken: Vec<_> = (0..4).map(|_| ids.alloc(Owner::Host).unwrap()).collect();
        assert_eq!(taken, [0, 2, 3, 4]);
    }

    #[test]
    fn a_freed_index_is_subtracted_from_its_owner() {
        let user = Owner::User(7);
        let mut ids = IdAllocator::with_used(at_most(8), 2, |_| true);
        ids.set_owner(1, user);
        assert_eq!((ids.owner(0), ids.owner(1)), (Owner::Host, user));
        assert_eq!(ids.alloc(user), Err(DataPathFull::NoSpace), "it has one");
        ids.free(1);
        assert_eq!(ids.alloc(user), Ok(1));
        assert_eq!((ids.usage().used, ids.usage().others), (2, 1));
        ids.set_owner(1, Owner::Host);
        assert_eq!((ids.usage().used, ids.usage().others), (2, 0));
    }
}
