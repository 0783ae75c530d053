//! How full the maps are that the programs fill. When one becomes scarce, the log says so once, and
//! once more when it is full.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use aya::maps::{Array, MapData, MapError};
use sockvs_ebpf_common::{SUPERUSER, Share, Totals};

use crate::Error;
use crate::Programs;
use crate::loading::capacity::Capacity;
use sockvs_ipvs::Usage;

/// The contents of the maps, and the daemon's option that limits them.
const ROOM: [(&str, &str); 3] = [
    ("connections beyond the first 65536", "--max-connections"),
    ("flows of datagrams", "--max-connections"),
    ("clients of persistent services", "--max-clients"),
];

/// Reads how full the maps are.
pub struct MapUsage {
    totals: Array<MapData, Totals>,
    shares: Array<MapData, Share>,
    capacity: Capacity,
    /// What was logged about each map.
    logged: Mutex<[Level; 3]>,
}

/// How full a map is.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    #[default]
    Nothing,
    Scarce,
    Full,
}

impl MapUsage {
    pub(crate) fn open(programs: &mut Programs) -> Result<Self, Error> {
        let failed = |name| move |error| Error::Map { name, error };
        let totals = programs.take_map("TOTALS")?;
        let shares = programs.take_map("SHARES")?;
        Ok(Self {
            totals: Array::try_from(totals).map_err(failed("TOTALS"))?,
            shares: Array::try_from(shares).map_err(failed("SHARES"))?,
            capacity: programs.capacity(),
            logged: Mutex::default(),
        })
    }

    /// How full the maps are now, in the order of [`ROOM`].
    ///
    /// # Errors
    ///
    /// When the kernel returns an error.
    pub fn read(&self) -> io::Result<Vec<Usage>> {
        let failed = |error: MapError| io::Error::other(error);
        let totals = self.totals.get(&0, 0).map_err(failed)?;
        let own = self.shares.get(&SUPERUSER, 0).map_err(failed)?;
        let Capacity {
            overflow,
            flows,
            templates,
            ..
        } = self.capacity;
        let numbers = [
            (totals.connections, overflow, own.connections),
            (totals.flows, flows, own.flows),
            // A service's, not a user's.
            (totals.templates, templates, totals.templates),
        ];
        let usage = |((of, _), (used, most, own)): ((&'static str, _), (u32, u32, u32))| Usage {
            of,
            used: used.into(),
            most: most.into(),
            others: used.saturating_sub(own).into(),
        };
        Ok(ROOM.into_iter().zip(numbers).map(usage).collect())
    }

    /// Logs each map that has become scarce, full or plentiful since the last call.
    ///
    /// # Errors
    ///
    /// When the kernel returns an error.
    pub fn watch(&self) -> io::Result<()> {
        let all = self.read()?;
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        for ((usage, logged), (_, option)) in all.iter().zip(logged.iter_mut()).zip(ROOM) {
            let now = Level::of(usage);
            let Usage { of, used, most, .. } = usage;
            match now {
                Level::Full if *logged < Level::Full => tracing::warn!(
                    "all room for {of} is used: {used} of {most}; start sockvsd with a larger \
                        {option}"
                ),
                Level::Scarce if *logged < Level::Scarce => tracing::warn!(
                    "four fifths of the room for {of} are used: {used} of {most} ({option})"
                ),
                Level::Nothing if *logged > Level::Nothing => {
                    tracing::info!("there is room for {of} again: {used} of {most} are used");
                }
                _ => continue,
            }
            *logged = now;
        }
        Ok(())
    }
}

impl Level {
    /// The level of this usage.
    fn of(usage: &Usage) -> Self {
        let Usage { used, most, .. } = *usage;
        if most > 0 && used >= most {
            Self::Full
        } else if most > 0 && used * 5 >= most * 4 {
            Self::Scarce
        } else {
            Self::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_fifths_are_scarce_and_all_is_full() {
        let level = |used, most| {
            Level::of(&Usage {
                of: "",
                used,
                most,
                others: 0,
            })
        };
        assert!(level(79, 100) == Level::Nothing && level(80, 100) == Level::Scarce);
        assert!(level(99, 100) == Level::Scarce && level(100, 100) == Level::Full);
        assert!(level(0, 0) == Level::Nothing);
    }
}
