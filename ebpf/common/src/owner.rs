//! The users' shares of `OVERFLOW` and `FLOWS`, which no user of the machine may fill.
//!
//! An owner may have as much as is still free, or a multiple of that. One that uses all it may have
//! leaves a part, the next leaves as large a part of that, and so there is always room for another.
//! The superuser may use all that is free. The same holds for `TEMPLATES` and the services that
//! they are of.

/// The owner that has no limit: the superuser of the initial user namespace.
pub const SUPERUSER: u32 = 0;

/// The users that are owners by themselves. Above are users of directories, containers and user
/// namespaces, which one person may have many of.
const SINGLE: u32 = 1 << 16;

/// Where ranges of subordinate users begin (`SUB_UID_MIN` of `login.defs`), each of [`SINGLE`]
/// users.
const FIRST_RANGE: u32 = 100_000;

/// How many owners there can be: the values of `SHARES`.
pub const OWNERS: u32 = 2 * SINGLE;

/// The owner that a user of the initial user namespace is or belongs to: a user below 65 536 is
/// one; all users of a range of subordinate users are one together.
#[must_use]
#[inline(always)]
pub const fn owner_of(user: u32) -> u32 {
    if user < SINGLE {
        user
    } else {
        SINGLE + ((user - (FIRST_RANGE - SINGLE)) >> 16)
    }
}

/// What an owner has: a value of `SHARES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Entries of `OVERFLOW`.
    pub connections: u32,
    /// Entries of `FLOWS`.
    pub flows: u32,
}

/// What all have together: the only value of `TOTALS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries of `OVERFLOW`.
    pub connections: u32,
    /// Entries of `FLOWS`.
    pub flows: u32,
    /// Entries of `TEMPLATES`.
    pub templates: u32,
    /// Zero.
    pub zero: u32,
}

/// An owner may have so many times the free entries of `OVERFLOW`: a proxy that runs as a user of
/// its own then has room for a million. Without an entry a connection works, too.
pub const CONNECTIONS_SHARE_FACTOR: u32 = 9;

/// An owner may have so many times the free entries of `FLOWS`: a resolver has room for 300 000.
pub const FLOWS_SHARE_FACTOR: u32 = 2;

/// A service may have so many templates as long as there is room for any: an eighth of all room is
/// kept for services that have no more.
pub const RESERVED_TEMPLATES: u32 = 64;

/// How many templates there may be for services that have more than a few, of all that there may
/// be.
#[must_use]
#[inline(always)]
pub const fn shared_template_limit(limit: u32) -> u32 {
    limit - limit / 8
}

/// Whether a service that has `own` templates, where there are `total` for `limit`, may have
/// another one.
#[must_use]
#[inline(always)]
pub const fn template_allowed(own: u32, total: u32, limit: u32) -> bool {
    own < shared_template_limit(limit).saturating_sub(total)
        || (own < RESERVED_TEMPLATES && total < limit)
}

/// Whether an owner that has `own` entries of a map for `limit`, in which there are `total`, may
/// have another one, where it may have so many `times` what is free.
#[must_use]
#[inline(always)]
pub const fn share_allows(owner: u32, own: u32, total: u32, limit: u32, times: u32) -> bool {
    let free = limit.saturating_sub(total);
    (own as u64) < free as u64 * times as u64 || (owner == SUPERUSER && free > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_subordinate_users_is_one_owner() {
        assert_eq!(owner_of(0), SUPERUSER);
        assert_eq!(owner_of(65_535), 65_535);
        assert_eq!(owner_of(100_000), owner_of(165_535));
        assert_ne!(owner_of(165_535), owner_of(165_536));
        assert_ne!(owner_of(99_999), owner_of(100_000));
        assert!(owner_of(u32::MAX) < OWNERS);
    }

    /// However many take all that they can get, there is room for the next one.
    #[test]
    fn there_is_always_room_for_another_owner() {
        const LIMIT: u32 = 1000;
        let mut shares = [0; 10];
        let mut total = 0;
        for _ in 0..LIMIT {
            for (owner, own) in (1..).zip(&mut shares) {
                if share_allows(owner, *own, total, LIMIT, CONNECTIONS_SHARE_FACTOR) {
                    *own += 1;
                    total += 1;
                }
            }
        }
        assert!(
            total >= 900 && share_allows(11, 0, total, LIMIT, FLOWS_SHARE_FACTOR),
            "{total}"
        );
        assert!(shares.iter().all(|own| *own >= 90), "{shares:?}");
        assert!(share_allows(
            SUPERUSER,
            total,
            total,
            LIMIT,
            FLOWS_SHARE_FACTOR
        ));
        assert!(!share_allows(
            SUPERUSER,
            0,
            LIMIT,
            LIMIT,
            FLOWS_SHARE_FACTOR
        ));
    }

    #[test]
    fn services_with_many_clients_leave_room_to_those_with_few() {
        const LIMIT: u32 = 40_000;
        let mut total = 0;
        for _ in 0..20 {
            let mut own = 0;
            while template_allowed(own, total, LIMIT) && own < 30_000 {
                own += 1;
                total += 1;
            }
        }
        assert!(
            total < LIMIT && template_allowed(0, total, LIMIT),
            "{total}"
        );
    }
}
