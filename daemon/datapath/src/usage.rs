//! How much of their room the maps have in use that the programs fill by themselves. When it gets
//! scarce, the log says so once, and once more when nothing is left.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use aya::maps::{Array, MapData, MapError};
use sockvs_ebpf_common::{SUPERUSER, Share, Totals};

use super::{Error, Programs, capacity::Capacity};
use sockvs_ipvs::Usage;

/// Of what the maps have room, and the daemon's option that says for how many.
const ROOM: [(&str, &str); 3] = [
    ("connections beyond the first 65536", "--max-connections"),
    ("flows of datagrams", "--max-connections"),
    ("clients of persistent services", "--max-clients"),
];

/// What is in use.
pub struct MapUsage {
    totals: Array<MapData, Totals>,
    shares: Array<MapData, Share>,
    capacity: Capacity,
    /// What was told of each map.
    told: Mutex<[Told; 3]>,
}

/// What was told of a map.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    #[default]
    Nothing,
    Scarce,
    Full,
}

impl MapUsage {
    pub(super) fn open(programs: &mut Programs) -> Result<Self, Error> {
        let failed = |name| move |error| Error::Map { name, error };
        let totals = programs.take_map("TOTALS")?;
        let shares = programs.take_map("SHARES")?;
        Ok(Self {
            totals: Array::try_from(totals).map_err(failed("TOTALS"))?,
            shares: Array::try_from(shares).map_err(failed("SHARES"))?,
            capacity: programs.capacity(),
            told: Mutex::default(),
        })
    }

    /// What is in use now, in the order of [`ROOM`].
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
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

    /// Tells of what has become scarce, or plentiful again, since it was last told.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub fn watch(&self) -> io::Result<()> {
        let all = self.read()?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for ((usage, told), (_, option)) in all.iter().zip(told.iter_mut()).zip(ROOM) {
            let now = Told::of(usage);
            let Usage { of, used, most, .. } = usage;
            match now {
                Told::Full if *told < Told::Full => tracing::warn!(
                    "all room for {of} is used: {used} of {most}; start sockvsd with a larger {option}"
                ),
                Told::Scarce if *told < Told::Scarce => tracing::warn!(
                    "four fifths of the room for {of} are used: {used} of {most} ({option})"
                ),
                Told::Nothing if *told > Told::Nothing => {
                    tracing::info!("there is room for {of} again: {used} of {most} are used");
                }
                _ => continue,
            }
            *told = now;
        }
        Ok(())
    }
}

impl Told {
    /// What there is to be told.
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
        let told = |used, most| {
            Told::of(&Usage {
                of: "",
                used,
                most,
                others: 0,
            })
        };
        assert!(told(79, 100) == Told::Nothing && told(80, 100) == Told::Scarce);
        assert!(told(99, 100) == Told::Scarce && told(100, 100) == Told::Full);
        assert!(told(0, 0) == Told::Nothing);
    }
}
