//! How much is measured.

use crate::figure::Clock;

/// How many rounds, and how many of everything in each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) clock: Clock,
    pub(crate) quick: bool,
}

impl Effort {
    /// Rounds that count. One more comes before them, which does not.
    pub(crate) fn rounds(self) -> usize {
        match (self.quick, self.clock) {
            (true, _) => 1,
            // There the same work takes the same time, and takes long to do.
            (false, Clock::Instructions) => 2,
            (false, Clock::Real) => 11,
        }
    }

    /// Rounds of what takes long.
    pub(crate) fn long_rounds(self) -> usize {
        match self.clock {
            Clock::Instructions => 1,
            Clock::Real if self.quick => 1,
            Clock::Real => 3,
        }
    }

    /// `times` for a full measurement, less for a quick one.
    pub(crate) fn times(self, times: u32) -> u32 {
        if self.quick { times / 10 } else { times }
    }

    /// The sizes of tables, in services of one kind.
    pub(crate) fn tables(self) -> &'static [u32] {
        if self.quick {
            &[1]
        } else {
            &[1, 1000, 100_000]
        }
    }
}
