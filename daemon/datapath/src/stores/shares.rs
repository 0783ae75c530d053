//! Limits how much of a resource each owner may use, so that no owner's tables keep those of others
//! from growing.
//!
//! A quarter of everything is for the network namespaces of users who created a user namespace; the
//! rest is reserved for the machine's administrators, who may use that quarter, too. Of the
//! quarter, an owner gets no more than it leaves to others: a single owner gets half of it, the
//! next one half of the rest. So there is always space for one more. All namespaces of an owner
//! count together.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use sockvs_ipvs::{DataPathFull, Owner, Usage};
use sockvs_sys::rate_limit::RateLimits;

/// The part of owners other than the machine's administrators, as a divisor.
const OTHERS: u32 = 4;
/// The least time between two warnings about an owner.
const WARNED_AGAIN: Duration = Duration::from_secs(300);

/// The limit of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The resource's name, for the log and the status.
    pub of: &'static str,
    /// The daemon's option that sets it; `None` if it is fixed.
    pub option: Option<&'static str>,
    /// The number.
    pub most: u32,
}

/// How much of a resource is in use, and by which owners.
#[derive(Debug)]
pub(crate) struct Shares {
    limit: Limit,
    used: u32,
    /// The part that owners other than the machine's administrators use.
    others: u32,
    by_owner: HashMap<Owner, u32>,
    warned: Warned,
}

/// Which warnings were logged.
#[derive(Debug)]
struct Warned {
    nearly_full: bool,
    full: bool,
    owners_near: RateLimits<Owner>,
    owners_at_limit: RateLimits<Owner>,
}

impl Shares {
    /// Nothing is in use.
    pub(crate) fn new(limit: Limit) -> Self {
        Self {
            limit,
            used: 0,
            others: 0,
            by_owner: HashMap::new(),
            warned: Warned {
                nearly_full: false,
                full: false,
                owners_near: RateLimits::new(WARNED_AGAIN),
                owners_at_limit: RateLimits::new(WARNED_AGAIN),
            },
        }
    }

    /// The limit.
    pub(crate) fn limit(&self) -> Limit {
        self.limit
    }

    /// How much is in use, for the status.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            of: self.limit.of,
            used: self.used.into(),
            most: self.limit.most.into(),
            others: self.others.into(),
        }
    }

    /// Allocates `amount` for the owner, if the limits allow it.
    pub(crate) fn take(&mut self, owner: Owner, amount: u32) -> Result<(), DataPathFull> {
        let free = self.limit.most.saturating_sub(self.used);
        if amount > free {
            self.warn_full();
            return Err(DataPathFull::NoSpace);
        }
        if !owner.is_host() {
            let share = self.share(owner);
            let left = (self.limit.most / OTHERS).saturating_sub(self.others);
            let left = left.min(free);
            // Afterwards it must not have more than is left, except for the last unit.
            if u64::from(share) + 2 * u64::from(amount) > u64::from(left) + 1 {
                self.warn_owner_at_limit(owner, share);
                return Err(DataPathFull::NoSpace);
            }
            let after = share.saturating_add(amount);
            // What the owner could have in the end if no other owner allocated anything.
            let most = share + left.saturating_sub(share).div_ceil(2);
            if u64::from(after) * 5 >= u64::from(most) * 4 {
                self.warn_owner_near(owner, after);
            }
        }
        self.count(owner, amount);
        self.warn_nearly_full();
        Ok(())
    }

    /// Counts an existing allocation of the owner, without a check.
    pub(crate) fn count(&mut self, owner: Owner, amount: u32) {
        self.used = self.used.saturating_add(amount);
        if !owner.is_host() && amount > 0 {
            self.others = self.others.saturating_add(amount);
            let share = self.by_owner.entry(owner).or_default();
            *share = share.saturating_add(amount);
        }
    }

    /// Frees `amount` of the owner.
    pub(crate) fn release(&mut self, owner: Owner, amount: u32) {
        self.used = self.used.saturating_sub(amount);
        if let Entry::Occupied(mut share) = self.by_owner.entry(owner) {
            self.others = self.others.saturating_sub(amount);
            *share.get_mut() = share.get().saturating_sub(amount);
            if *share.get() == 0 {
                share.remove();
            }
        }
        if self.used < self.limit.most / 2 {
            self.warned.nearly_full = false;
            self.warned.full = false;
        }
    }

    fn share(&self, owner: Owner) -> u32 {
        self.by_owner.get(&owner).copied().unwrap_or(0)
    }

    fn warn_full(&mut self) {
        if std::mem::replace(&mut self.warned.full, true) {
            return;
        }
        let Limit { of, option, most } = self.limit;
        match option {
            Some(option) => tracing::warn!(
                "no room for more than {most} {of}; start sockvsd with a larger {option}"
            ),
            None => tracing::warn!("no room for more than {most} {of}"),
        }
    }

    fn warn_nearly_full(&mut self) {
        let Limit { of, most, .. } = self.limit;
        if u64::from(self.used) * 5 >= u64::from(most) * 4
            && !std::mem::replace(&mut self.warned.nearly_full, true)
        {
            let used = self.used;
            tracing::warn!("four fifths of the room for {of} are in use: {used} of {most}");
        }
    }

    fn warn_owner_near(&self, owner: Owner, used: u32) {
        if self.warned.owners_near.admit(owner).is_some() {
            let of = self.limit.of;
            tracing::warn!(
                %owner,
                used,
                "the owner of a network namespace uses four fifths of its share of the {of}"
            );
        }
    }

    fn warn_owner_at_limit(&self, owner: Owner, used: u32) {
        if self.warned.owners_at_limit.admit(owner).is_some() {
            let of = self.limit.of;
            tracing::warn!(
                %owner,
                used,
                "the owner of a network namespace uses its whole share of the {of}; it gets no more"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(most: u32) -> Shares {
        Shares::new(Limit {
            of: "things",
            option: None,
            most,
        })
    }

    fn allocate_all(shares: &mut Shares, owner: Owner) -> usize {
        (0..1000)
            .take_while(|_| shares.take(owner, 1).is_ok())
            .count()
    }

    #[test]
    fn there_is_always_space_for_another_owner_and_most_is_reserved_for_the_host() {
        let mut shares = at_most(400);
        let got: Vec<_> = (1..=5)
            .map(|uid| allocate_all(&mut shares, Owner::User(uid)))
            .collect();
        assert_eq!(got, [50, 25, 13, 6, 3]);
        assert_eq!(allocate_all(&mut shares, Owner::Host), 303);
        assert_eq!(allocate_all(&mut shares, Owner::User(6)), 0, "none is left");
    }

    #[test]
    fn freed_amounts_can_be_allocated_by_others() {
        let mut shares = at_most(400);
        let (one, other) = (Owner::User(1), Owner::UserNamespace(1));
        assert_eq!(allocate_all(&mut shares, one), 50);
        shares.release(one, 50);
        assert_eq!(allocate_all(&mut shares, other), 50);
        assert_eq!(shares.take(one, 26), Err(DataPathFull::NoSpace));
        assert_eq!(shares.take(one, 25), Ok(()));
        let usage = shares.usage();
        assert_eq!((usage.used, usage.others), (75, 75));
    }

    #[test]
    fn existing_allocations_count_even_beyond_the_limit() {
        let mut shares = at_most(40);
        shares.count(Owner::User(1), 30);
        assert!(shares.take(Owner::User(1), 1).is_err());
        assert!(shares.take(Owner::User(2), 1).is_err());
        assert_eq!(allocate_all(&mut shares, Owner::Host), 10);
        shares.release(Owner::User(1), 25);
        assert_eq!(allocate_all(&mut shares, Owner::User(2)), 3);
    }
}
