//! The size of the maps that the programs fill, and how much of it they may use.
//!
//! A map's size is fixed when it is created, and maps outlive the daemon. So a daemon with other
//! limits than its predecessor applies them as far as the existing maps allow, and logs which ones
//! it could not apply.

use std::io;

use sockvs_ebpf_common::{CONNECTIONS, CONNECTIONS_PER_GROUP};

use sockvs_sys::{bpf::RawMap, bpffs::PinDirectory};

use crate::Limits;
use crate::loading::layout::Layouts;

/// Sizes of the maps, in entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Values of `CONNECTIONS`, a power of two.
    pub(crate) groups: u32,
    /// The limit of `OVERFLOW`.
    pub(crate) overflow: u32,
    /// The limit of `FLOWS`.
    pub(crate) flows: u32,
    /// The limit of `TEMPLATES`.
    pub(crate) templates: u32,
}

impl Capacity {
    /// The sizes for these limits, without regard to existing maps.
    pub(crate) fn requested(limits: &Limits) -> Self {
        let entries = limits.connections.next_power_of_two().min(CONNECTIONS);
        let overflow = limits.connections.saturating_sub(entries);
        Self {
            groups: entries / CONNECTIONS_PER_GROUP,
            overflow,
            // Half of a power of two, where `entries` is one: hash tables round up to powers of
            // two.
            flows: overflow.max(entries) / 2,
            templates: limits.clients.most,
        }
    }

    /// The sizes with these limits and the existing maps of this directory.
    pub(crate) fn of(pins: &PinDirectory, layouts: &Layouts, limits: &Limits) -> io::Result<Self> {
        let pinned = |name| match layouts.map(name) {
            Some(layout) => {
                RawMap::open(&pins.file(&layout.file())).map(|map| map.map(|map| map.max_entries()))
            }
            None => Ok(None),
        };
        let requested = Self::requested(limits);
        let fit = |name, option: &str, most: u32| {
            let room = pinned(name)?.unwrap_or(most);
            if room < most {
                tracing::warn!(
                    "{option}: the map {name} of an earlier daemon has room for {room} \
                     entries, not for {most}; to have a larger one, stop sockvsd, run \
                     sockvsd --detach-all and start it"
                );
            }
            io::Result::Ok(room.min(most))
        };
        // The position of entries depends on it, so it cannot change.
        let groups = pinned("CONNECTIONS")?.unwrap_or(requested.groups);
        if groups != requested.groups {
            tracing::warn!(
                "--max-connections: the map CONNECTIONS of an earlier daemon has {} entries, not \
                 {}; to have another one, stop sockvsd, run sockvsd --detach-all and start it",
                groups * CONNECTIONS_PER_GROUP,
                requested.entries()
            );
        }
        Ok(Self {
            groups,
            overflow: fit("OVERFLOW", "--max-connections", requested.overflow)?,
            flows: fit("FLOWS", "--max-connections", requested.flows)?,
            templates: fit("TEMPLATES", "--max-clients", requested.templates)?,
        })
    }

    /// The number of entries of `CONNECTIONS`.
    pub(crate) fn entries(self) -> u32 {
        self.groups * CONNECTIONS_PER_GROUP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(connections: u32) -> Capacity {
        Capacity::requested(&Limits::new(1, 1, 1, connections))
    }

    #[test]
    fn connections_beyond_the_array_overflow() {
        let usual = requested((1 << 20) + (1 << 16));
        assert_eq!((usual.entries(), usual.overflow), (1 << 16, 1 << 20));
        assert_eq!(usual.flows, 1 << 19);
        let few = requested(64);
        assert_eq!((few.entries(), few.overflow, few.flows), (64, 0, 32));
    }
}
