//! Which indexes of the records, and which stretches of the slots, are in use.
//!
//! Numbers only: whether there is memory behind an index is the business of `chunks`.

use crate::ipvs::DataPathFull;

/// Single indexes, up to a limit.
#[derive(Debug)]
pub(super) struct Indexes {
    limit: Limit,
    next: u32,
    free: Vec<u32>,
    warned: bool,
}

/// How many of something there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Of what, for people.
    pub of: &'static str,
    /// The daemon's option that says so.
    pub option: &'static str,
    /// The number.
    pub most: u32,
}

impl Indexes {
    /// None is in use.
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            limit,
            next: 0,
            free: Vec::new(),
            warned: false,
        }
    }

    /// Of the first `next` indexes, those are in use that `used` says.
    pub(super) fn with_used(limit: Limit, next: u32, used: impl Fn(u32) -> bool) -> Self {
        // The last one is given out first.
        Self {
            next,
            free: (0..next).rev().filter(|index| !used(*index)).collect(),
            ..Self::new(limit)
        }
    }

    /// How many there may be.
    pub(super) fn limit(&self) -> Limit {
        self.limit
    }

    /// An index that nobody uses.
    pub(super) fn take(&mut self) -> Result<u32, DataPathFull> {
        let in_use = self.next as usize - self.free.len();
        let Limit { of, option, most } = self.limit;
        if in_use >= most as usize {
            if !std::mem::replace(&mut self.warned, true) {
                tracing::warn!(
                    "no room for more than {most} {of}; start sockvsd with a larger {option}"
                );
            }
            return Err(DataPathFull::NoSpace);
        }
        if let Some(index) = self.free.pop() {
            return Ok(index);
        }
        let index = self.next;
        self.next = index.checked_add(1).ok_or(DataPathFull::NoSpace)?;
        Ok(index)
    }

    /// The index may be used again.
    pub(super) fn give_back(&mut self, index: u32) {
        self.free.push(index);
    }
}

/// A stretch of slots. There are four lengths between a power of two and the next, so that what is given
/// back fits again and at most a fifth is there for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// The first slot.
    pub(super) at: u32,
    /// How many slots there are; none at all has no place.
    len: u32,
}

/// How many different lengths there are.
const CLASSES: usize = 4 * 32;

/// The shortest length of a stretch that has so many slots; none if that is too long.
fn rounded(len: u32) -> Option<u32> {
    let quarter = 1 << len.checked_ilog2().unwrap_or(0).saturating_sub(2);
    len.checked_next_multiple_of(quarter)
}

/// The longest length that is not more than so many.
fn cut(len: u32) -> u32 {
    let quarter = 1 << len.checked_ilog2().unwrap_or(0).saturating_sub(2);
    len / quarter * quarter
}

/// Which of the lengths this is, from zero on.
fn class(len: u32) -> usize {
    let log = len.checked_ilog2().unwrap_or(0);
    let quarters = len >> log.saturating_sub(2);
    (4 * log + (quarters & 3)) as usize
}

impl Stretch {
    /// The stretch that `Stretches::take` gave for this many slots, by where it starts.
    pub(super) fn taken(at: u32, len: u32) -> Self {
        Self {
            at,
            len: rounded(len).unwrap_or(len),
        }
    }

    /// How many slots there are.
    pub(super) fn len(self) -> u32 {
        self.len
    }

    /// The slot after the last one.
    pub(super) fn end(self) -> u32 {
        self.at.saturating_add(self.len)
    }
}

/// Stretches of slots.
#[derive(Debug)]
pub(super) struct Stretches {
    next: u32,
    free: [Vec<u32>; CLASSES],
}

impl Default for Stretches {
    fn default() -> Self {
        Self {
            next: 0,
            free: std::array::from_fn(|_| Vec::new()),
        }
    }
}

impl Stretches {
    /// Stretches of which these are in use.
    pub(super) fn with_used(mut used: Vec<Stretch>) -> Self {
        used.sort_unstable_by_key(|stretch| stretch.at);
        let mut stretches = Self::default();
        for stretch in used.into_iter().filter(|stretch| stretch.len() > 0) {
            stretches.free_gap(stretch.at);
            stretches.next = stretches.next.max(stretch.end());
        }
        stretches
    }

    /// What lies between the last stretch and `end` is free, cut into stretches.
    fn free_gap(&mut self, end: u32) {
        while let Some(gap) = end.checked_sub(self.next).filter(|gap| *gap > 0) {
            let len = cut(gap);
            self.give_back(Stretch { at: self.next, len });
            self.next += len;
        }
    }

    /// A stretch of at least `len` slots that nobody uses.
    pub(super) fn take(&mut self, len: usize) -> Result<Stretch, DataPathFull> {
        let len = u32::try_from(len).ok().and_then(rounded);
        let len = len.ok_or(DataPathFull::NoSpace)?;
        if len == 0 {
            return Ok(Stretch { at: 0, len });
        }
        let free = self.free.get_mut(class(len));
        if let Some(at) = free.and_then(Vec::pop) {
            return Ok(Stretch { at, len });
        }
        let at = self.next;
        self.next = at.checked_add(len).ok_or(DataPathFull::NoSpace)?;
        Ok(Stretch { at, len })
    }

    /// The stretch may be used again.
    pub(super) fn give_back(&mut self, stretch: Stretch) {
        if stretch.len > 0
            && let Some(free) = self.free.get_mut(class(stretch.len))
        {
            free.push(stretch.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(most: u32) -> Limit {
        Limit {
            of: "things",
            option: "--max-things",
            most,
        }
    }

    #[test]
    fn there_are_no_more_indexes_than_the_limit_says() {
        let mut indexes = Indexes::new(at_most(2));
        let taken = [indexes.take(), indexes.take(), indexes.take()];
        assert_eq!(taken, [Ok(0), Ok(1), Err(DataPathFull::NoSpace)]);
        indexes.give_back(0);
        let taken = [indexes.take(), indexes.take()];
        assert_eq!(taken, [Ok(0), Err(DataPathFull::NoSpace)]);
    }

    #[test]
    fn indexes_are_used_again_before_new_ones_are_made() {
        let mut indexes = Indexes::new(at_most(9));
        assert_eq!((indexes.take(), indexes.take()), (Ok(0), Ok(1)));
        indexes.give_back(0);
        assert_eq!((indexes.take(), indexes.take()), (Ok(0), Ok(2)));
    }

    #[test]
    fn stretches_do_not_overlap_and_fit_again() {
        let mut stretches = Stretches::default();
        let nine = stretches.take(9).unwrap();
        let one = stretches.take(1).unwrap();
        assert_eq!((nine.at, nine.len(), one.at, one.len()), (0, 10, 10, 1));
        stretches.give_back(nine);
        assert_eq!(stretches.take(10).unwrap().at, 0);
        assert_eq!(stretches.take(10).unwrap().at, 11);
    }

    #[test]
    fn every_length_is_of_a_class_of_its_own_and_nothing_is_longer_than_by_a_fifth() {
        let mut classes = std::collections::HashMap::new();
        for len in (1..5000).chain([1 << 30, (1 << 30) + 1, 7 << 29]) {
            let rounded = rounded(len).unwrap();
            assert!(rounded >= len && rounded - len <= len / 4, "{len}");
            assert_eq!(
                (super::rounded(rounded), cut(rounded)),
                (Some(rounded), rounded)
            );
            assert!(cut(len) <= len && cut(len) > 0);
            assert_eq!(*classes.entry(class(rounded)).or_insert(rounded), rounded);
        }
        assert_eq!(rounded(u32::MAX), None);
    }

    #[test]
    fn what_lies_between_used_stretches_is_used_again() {
        let mut stretches = Stretches::with_used(vec![
            Stretch::taken(7, 3),
            Stretch::taken(0, 2),
            Stretch::taken(3, 0),
        ]);
        let taken = [1, 5, 1].map(|len| stretches.take(len).unwrap().at);
        assert_eq!(taken, [10, 2, 11]);
    }

    #[test]
    fn only_unused_indexes_are_given_out() {
        let mut indexes = Indexes::with_used(at_most(9), 4, |index| index == 1);
        let taken: Vec<_> = (0..4).map(|_| indexes.take().unwrap()).collect();
        assert_eq!(taken, [0, 2, 3, 4]);
    }

    #[test]
    fn nothing_takes_no_room() {
        let mut stretches = Stretches::default();
        let nothing = stretches.take(0).unwrap();
        assert_eq!(nothing.len(), 0);
        stretches.give_back(nothing);
        assert_eq!(stretches.take(1).unwrap().at, 0);
    }

    #[test]
    fn more_than_all_slots_is_no_space() {
        assert_eq!(
            Stretches::default().take(usize::MAX),
            Err(DataPathFull::NoSpace)
        );
    }
}
