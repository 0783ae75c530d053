//! How much room the maps have that the programs fill by themselves, and how much of it they may
//! use.
//!
//! A map gets its size when it is made, and maps outlive the daemon. So a daemon that is told other
//! limits than the one before it applies what fits into the maps that are there, and says so about
//! the rest.

use std::io;

use sockvs_ebpf_common::{CONNECTIONS, CONNECTIONS_PER_GROUP};

use sockvs_sys::{bpf::RawMap, bpffs::PinDirectory};

use super::{Limits, layout::Layouts};

/// Entries of the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    /// Values of `CONNECTIONS`, a power of two.
    pub(super) groups: u32,
    /// What `OVERFLOW` may have.
    pub(super) overflow: u32,
    /// What `FLOWS` may have.
    pub(super) flows: u32,
    /// What `TEMPLATES` may have.
    pub(super) templates: u32,
}

impl Capacity {
    /// What is wanted, without regard to what there is.
    pub(super) fn wanted(limits: &Limits) -> Self {
        let entries = limits.connections.next_power_of_two().min(CONNECTIONS);
        let overflow = limits.connections.saturating_sub(entries);
        Self {
            groups: entries / CONNECTIONS_PER_GROUP,
            overflow,
            // A power of two where that is one: hash tables have so many places.
            flows: overflow.max(entries) / 2,
            templates: limits.clients.most,
        }
    }

    /// What there is with these limits, in this directory.
    pub(super) fn of(pins: &PinDirectory, layouts: &Layouts, limits: &Limits) -> io::Result<Self> {
        let pinned = |name| match layouts.map(name) {
            Some(layout) => {
                RawMap::open(&pins.file(&layout.file())).map(|map| map.map(|map| map.max_entries()))
            }
            None => Ok(None),
        };
        let wanted = Self::wanted(limits);
        let fit = |name, option: &str, most: u32| {
            let room = pinned(name)?.unwrap_or(most);
            if room < most {
                tracing::warn!(
                    "{option}: the map {name} of an earlier daemon has room for {room} entries, not \
                     for {most}; to have a larger one, stop sockvsd, run sockvsd --detach-all and start it"
                );
            }
            io::Result::Ok(room.min(most))
        };
        // Where entries are depends on it, so that it cannot change.
        let groups = pinned("CONNECTIONS")?.unwrap_or(wanted.groups);
        if groups != wanted.groups {
            tracing::warn!(
                "--max-connections: the map CONNECTIONS of an earlier daemon has {} entries, not {}; to \
                 have another one, stop sockvsd, run sockvsd --detach-all and start it",
                groups * CONNECTIONS_PER_GROUP,
                wanted.entries()
            );
        }
        Ok(Self {
            groups,
            overflow: fit("OVERFLOW", "--max-connections", wanted.overflow)?,
            flows: fit("FLOWS", "--max-connections", wanted.flows)?,
            templates: fit("TEMPLATES", "--max-clients", wanted.templates)?,
        })
    }

    /// How many entries `CONNECTIONS` has.
    pub(super) fn entries(self) -> u32 {
        self.groups * CONNECTIONS_PER_GROUP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(connections: u32) -> Capacity {
        Capacity::wanted(&Limits::new(1, 1, 1, connections))
    }

    #[test]
    fn what_the_array_has_no_room_for_overflows() {
        let usual = wanted((1 << 20) + (1 << 16));
        assert_eq!((usual.entries(), usual.overflow), (1 << 16, 1 << 20));
        assert_eq!(usual.flows, 1 << 19);
        let few = wanted(64);
        assert_eq!((few.entries(), few.overflow, few.flows), (64, 0, 32));
    }
}
