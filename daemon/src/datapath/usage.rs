//! How much of their room the maps have in use that the programs fill by themselves. When it gets
//! scarce, the log says so once, and once more when nothing is left.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use aya::maps::{Array, MapData};
use serde::{Deserialize, Serialize};
use sockvs_ebpf_common::Totals;

use super::{Error, Programs, capacity::Capacity};

/// How much of a table is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableUse {
    /// Of what, for people.
    pub of: String,
    /// How many there are.
    pub used: u32,
    /// How many there may be.
    pub limit: u32,
    /// The daemon's option that says so.
    pub option: String,
}

/// What is in use.
pub struct Usage {
    totals: Array<MapData, Totals>,
    capacity: Capacity,
    /// What was told of each table.
    told: Mutex<[Told; 3]>,
}

/// What was told of a table.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    #[default]
    Nothing,
    Scarce,
    Full,
}

impl Usage {
    pub(super) fn open(programs: &mut Programs) -> Result<Self, Error> {
        let name = "TOTALS";
        let totals = Array::try_from(programs.take_map(name)?)
            .map_err(|error| Error::Map { name, error })?;
        Ok(Self {
            totals,
            capacity: programs.capacity(),
            told: Mutex::default(),
        })
    }

    /// What is in use now.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub fn read(&self) -> io::Result<[TableUse; 3]> {
        let totals = self.totals.get(&0, 0).map_err(io::Error::other)?;
        let table = |of: &str, used, limit, option: &str| TableUse {
            of: of.to_owned(),
            used,
            limit,
            option: option.to_owned(),
        };
        Ok([
            table(
                "connections beyond the first 65536",
                totals.connections,
                self.capacity.overflow,
                "--max-connections",
            ),
            table(
                "flows of datagrams",
                totals.flows,
                self.capacity.flows,
                "--max-connections",
            ),
            table(
                "clients of persistent services",
                totals.templates,
                self.capacity.templates,
                "--max-clients",
            ),
        ])
    }

    /// Tells of what has become scarce, or plentiful again, since it was last told.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub fn watch(&self) -> io::Result<()> {
        let tables = self.read()?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (table, told) in tables.iter().zip(told.iter_mut()) {
            let now = Told::of(table);
            let TableUse {
                of,
                used,
                limit,
                option,
            } = table;
            match now {
                Told::Full if *told < Told::Full => tracing::warn!(
                    "all room for {of} is used: {used} of {limit}; start sockvsd with a larger {option}"
                ),
                Told::Scarce if *told < Told::Scarce => tracing::warn!(
                    "four fifths of the room for {of} are used: {used} of {limit} ({option})"
                ),
                Told::Nothing if *told > Told::Nothing => {
                    tracing::info!("there is room for {of} again: {used} of {limit} are used");
                }
                _ => continue,
            }
            *told = now;
        }
        Ok(())
    }
}

impl Told {
    /// What there is to be told of a table. What users may not have any more of, though there is some
    /// left, is not told.
    fn of(table: &TableUse) -> Self {
        let (used, limit) = (u64::from(table.used), u64::from(table.limit));
        if limit > 0 && used >= limit {
            Self::Full
        } else if limit > 0 && used * 5 >= limit * 4 {
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
        let told = |used, limit| {
            Told::of(&TableUse {
                of: String::new(),
                used,
                limit,
                option: String::new(),
            })
        };
        assert!(told(79, 100) == Told::Nothing && told(80, 100) == Told::Scarce);
        assert!(told(99, 100) == Told::Scarce && told(100, 100) == Told::Full);
        assert!(told(0, 0) == Told::Nothing);
    }
}
