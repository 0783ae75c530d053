//! Which extents of the slots are in use.
//!
//! Numbers only: whether there is memory behind them is the business of `chunks`.

use super::shares::{Limit, Shares};
use sockvs_ipvs::{DataPathFull, Owner, Usage};

/// An extent of slots. There are four lengths between a power of two and the next, so that what is
/// given back fits again and at most a fifth is there for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first slot.
    pub(super) at: u32,
    /// How many slots there are; none at all has no place.
    len: u32,
}

/// How many different lengths there are.
const CLASSES: usize = 4 * 32;

/// The shortest length of an extent that has so many slots; none if that is too long.
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

/// The length of this class.
fn length(class: usize) -> u32 {
    let class = u32::try_from(class).unwrap_or(0);
    let (log, quarters) = (class / 4, class % 4);
    match log {
        0 | 1 => quarters,
        _ => (4 + quarters) << (log - 2),
    }
}

impl Extent {
    /// The extent that `ExtentAllocator::alloc` gave for this many slots, by where it starts.
    pub(super) fn at(at: u32, len: u32) -> Self {
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

/// Which slots are in use, by extents.
#[derive(Debug)]
pub(super) struct ExtentAllocator {
    shares: Shares,
    next: u32,
    free: [Vec<u32>; CLASSES],
}

impl ExtentAllocator {
    /// None is in use.
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            shares: Shares::new(limit),
            next: 0,
            free: std::array::from_fn(|_| Vec::new()),
        }
    }

    /// The same where these are in use. They are the host's until they are
    /// [given](Self::set_owner) to another owner.
    pub(super) fn with_used(limit: Limit, mut used: Vec<Extent>) -> Self {
        used.sort_unstable_by_key(|extent| extent.at);
        let mut extents = Self::new(limit);
        for extent in used.into_iter().filter(|extent| extent.len() > 0) {
            extents.shares.count(Owner::Host, extent.len());
            extents.free_gap(extent.at);
            extents.next = extents.next.max(extent.end());
        }
        extents
    }

    /// How many slots there may be.
    pub(super) fn limit(&self) -> Limit {
        self.shares.limit()
    }

    /// What is in use, for people.
    pub(super) fn usage(&self) -> Usage {
        self.shares.usage()
    }

    /// What lies between the last extent and `end` is free, cut into extents.
    fn free_gap(&mut self, end: u32) {
        let gap = end.saturating_sub(self.next);
        self.free_pieces(self.next, gap);
        self.next = self.next.max(end);
    }

    /// So many slots from one on are free, cut into extents.
    fn free_pieces(&mut self, mut at: u32, mut len: u32) {
        while len > 0 {
            let piece = cut(len);
            self.put_back(Extent { at, len: piece });
            at += piece;
            len -= piece;
        }
    }

    /// An extent of at least `len` slots that nobody uses, for this owner.
    pub(super) fn alloc(&mut self, len: usize, owner: Owner) -> Result<Extent, DataPathFull> {
        let len = u32::try_from(len).ok().and_then(rounded);
        let len = len.ok_or(DataPathFull::NoSpace)?;
        if len == 0 {
            return Ok(Extent { at: 0, len });
        }
        self.shares.take(owner, len)?;
        let found = self.fitting(len).or_else(|| self.unused(len)).or_else(|| {
            // What was given back may be in pieces that together are long enough.
            self.join();
            self.part(len).or_else(|| self.unused(len))
        });
        let found = found.map(|at| Extent { at, len });
        found.ok_or_else(|| {
            self.shares.give_back(owner, len);
            DataPathFull::NoSpace
        })
    }

    /// A free extent of this very length.
    fn fitting(&mut self, len: u32) -> Option<u32> {
        self.free.get_mut(class(len)).and_then(Vec::pop)
    }

    /// Slots that nobody ever used.
    fn unused(&mut self, len: u32) -> Option<u32> {
        let at = self.next;
        let end = at.checked_add(len)?;
        if end > self.limit().most {
            return None;
        }
        self.next = end;
        Some(at)
    }

    /// The beginning of a longer free extent. The rest stays free.
    fn part(&mut self, len: u32) -> Option<u32> {
        let mut longer = self.free.iter_mut().enumerate().skip(class(len));
        let (at, whole) = longer.find_map(|(class, free)| Some((free.pop()?, length(class))))?;
        self.free_pieces(at + len, whole - len);
        Some(at)
    }

    /// Makes one extent of those that follow one another without a gap.
    fn join(&mut self) {
        let mut pieces: Vec<Extent> = Vec::new();
        for (class, free) in self.free.iter_mut().enumerate() {
            let len = length(class);
            pieces.extend(free.drain(..).map(|at| Extent { at, len }));
        }
        pieces.sort_unstable_by_key(|piece| piece.at);
        let mut pieces = pieces.into_iter();
        let Some(mut joined) = pieces.next() else {
            return;
        };
        for piece in pieces {
            if piece.at == joined.end() {
                joined.len += piece.len;
            } else {
                self.free_pieces(joined.at, joined.len);
                joined = piece;
            }
        }
        if joined.end() == self.next {
            self.next = joined.at;
        } else {
            self.free_pieces(joined.at, joined.len);
        }
    }

    /// The extent, which is in use by `from`, belongs to the owner `to`.
    pub(super) fn set_owner(&mut self, extent: Extent, from: Owner, to: Owner) {
        self.shares.give_back(from, extent.len);
        self.shares.count(to, extent.len);
    }

    /// The owner's extent may be used again.
    pub(super) fn free(&mut self, extent: Extent, owner: Owner) {
        self.shares.give_back(owner, extent.len);
        self.put_back(extent);
    }

    fn put_back(&mut self, extent: Extent) {
        if extent.len > 0
            && let Some(free) = self.free.get_mut(class(extent.len))
        {
            free.push(extent.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: Limit = Limit {
        of: "slots",
        option: None,
        most: u32::MAX,
    };

    #[test]
    fn stretches_do_not_overlap_and_fit_again() {
        let mut extents = ExtentAllocator::new(MANY);
        let nine = extents.alloc(9, Owner::Host).unwrap();
        let one = extents.alloc(1, Owner::Host).unwrap();
        assert_eq!((nine.at, nine.len(), one.at, one.len()), (0, 10, 10, 1));
        extents.free(nine, Owner::Host);
        assert_eq!(extents.alloc(10, Owner::Host).unwrap().at, 0);
        assert_eq!(extents.alloc(10, Owner::Host).unwrap().at, 11);
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
            assert_eq!(length(class(rounded)), rounded);
        }
        assert_eq!(rounded(u32::MAX), None);
    }

    #[test]
    fn what_lies_between_used_stretches_is_used_again() {
        let mut extents = ExtentAllocator::with_used(
            MANY,
            vec![Extent::at(7, 3), Extent::at(0, 2), Extent::at(3, 0)],
        );
        let taken = [1, 5, 1].map(|len| extents.alloc(len, Owner::Host).unwrap().at);
        assert_eq!(taken, [10, 2, 11]);
    }

    #[test]
    fn nothing_takes_no_room() {
        let mut extents = ExtentAllocator::new(MANY);
        let nothing = extents.alloc(0, Owner::Host).unwrap();
        assert_eq!(nothing.len(), 0);
        extents.free(nothing, Owner::Host);
        assert_eq!(extents.alloc(1, Owner::Host).unwrap().at, 0);
    }

    #[test]
    fn more_than_all_slots_is_no_space() {
        assert_eq!(
            ExtentAllocator::new(MANY).alloc(usize::MAX, Owner::Host),
            Err(DataPathFull::NoSpace)
        );
    }

    #[test]
    fn when_nothing_is_left_what_was_given_back_is_joined_and_cut_anew() {
        let mut extents = ExtentAllocator::new(Limit { most: 64, ..MANY });
        let pieces: Vec<_> = (0..64)
            .map(|_| extents.alloc(1, Owner::Host).unwrap())
            .collect();
        for piece in pieces.iter().filter(|piece| piece.at != 40) {
            extents.free(*piece, Owner::Host);
        }
        let taken = [40, 20, 4].map(|len| extents.alloc(len, Owner::Host).map(|it| it.at));
        assert_eq!(taken, [Ok(0), Ok(41), Err(DataPathFull::NoSpace)]);
    }

    #[test]
    fn an_owner_gets_no_more_than_its_share() {
        let user = Owner::User(7);
        let mut extents = ExtentAllocator::new(Limit { most: 800, ..MANY });
        let first = extents.alloc(96, user).unwrap();
        assert_eq!(extents.alloc(96, user), Err(DataPathFull::NoSpace));
        extents.set_owner(first, user, Owner::Host);
        let second = extents.alloc(96, user).unwrap();
        assert_eq!(extents.usage().others, 96);
        extents.free(second, user);
        assert_eq!((extents.usage().used, extents.usage().others), (96, 0));
    }
}
