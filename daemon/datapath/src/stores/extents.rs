//! Allocates extents of slots.
//!
//! It manages numbers only; `chunks` provides the memory.

use crate::stores::shares::{Limit, Shares};
use sockvs_ipvs::{DataPathFull, Owner, Usage};

/// An extent of slots. There are four sizes between a power of two and the next, so that a freed
/// extent fits again and at most a fifth is unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The first slot.
    pub(crate) at: u32,
    /// The number of slots; an empty extent has no position.
    len: u32,
}

/// The number of different lengths.
const CLASSES: usize = 4 * 32;

/// The shortest length with at least `len` slots; `None` if that is too long.
fn rounded(len: u32) -> Option<u32> {
    let quarter = 1 << len.checked_ilog2().unwrap_or(0).saturating_sub(2);
    len.checked_next_multiple_of(quarter)
}

/// The longest length with at most `len` slots.
fn cut(len: u32) -> u32 {
    let quarter = 1 << len.checked_ilog2().unwrap_or(0).saturating_sub(2);
    len / quarter * quarter
}

/// The index of a length.
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
    /// The extent that `ExtentAllocator::alloc` returned for this many slots, by its first slot.
    pub(crate) fn at(at: u32, len: u32) -> Self {
        Self {
            at,
            len: rounded(len).unwrap_or(len),
        }
    }

    /// The number of slots.
    pub(crate) fn len(self) -> u32 {
        self.len
    }

    /// The slot after the last one.
    pub(crate) fn end(self) -> u32 {
        self.at.saturating_add(self.len)
    }
}

/// The slots in use, as extents.
#[derive(Debug)]
pub(crate) struct ExtentAllocator {
    shares: Shares,
    next: u32,
    free: [Vec<u32>; CLASSES],
}

impl ExtentAllocator {
    /// An allocator with nothing in use.
    pub(crate) fn new(limit: Limit) -> Self {
        Self {
            shares: Shares::new(limit),
            next: 0,
            free: std::array::from_fn(|_| Vec::new()),
        }
    }

    /// An allocator with these extents in use. They belong to the host until
    /// [`set_owner`](Self::set_owner) changes that.
    pub(crate) fn with_used(limit: Limit, mut used: Vec<Extent>) -> Self {
        used.sort_unstable_by_key(|extent| extent.at);
        let mut extents = Self::new(limit);
        for extent in used.into_iter().filter(|extent| extent.len() > 0) {
            extents.shares.count(Owner::Host, extent.len());
            extents.free_gap(extent.at);
            extents.next = extents.next.max(extent.end());
        }
        extents
    }

    /// The limit of slots.
    pub(crate) fn limit(&self) -> Limit {
        self.shares.limit()
    }

    /// How much is in use, for the status.
    pub(crate) fn usage(&self) -> Usage {
        self.shares.usage()
    }

    /// Marks the slots between the last extent and `end` as free, divided into extents.
    fn free_gap(&mut self, end: u32) {
        let gap = end.saturating_sub(self.next);
        self.free_pieces(self.next, gap);
        self.next = self.next.max(end);
    }

    /// Marks `len` slots from `at` on as free, divided into extents.
    fn free_pieces(&mut self, mut at: u32, mut len: u32) {
        while len > 0 {
            let piece = cut(len);
            self.put_back(Extent { at, len: piece });
            at += piece;
            len -= piece;
        }
    }

    /// Allocates a free extent of at least `len` slots for this owner.
    pub(crate) fn alloc(&mut self, len: usize, owner: Owner) -> Result<Extent, DataPathFull> {
        let len = u32::try_from(len).ok().and_then(rounded);
        let len = len.ok_or(DataPathFull::NoSpace)?;
        if len == 0 {
            return Ok(Extent { at: 0, len });
        }
        self.shares.take(owner, len)?;
        let found = self.fitting(len).or_else(|| self.unused(len)).or_else(|| {
            // Free extents may be adjacent and together long enough.
            self.join();
            self.part(len).or_else(|| self.unused(len))
        });
        let found = found.map(|at| Extent { at, len });
        found.ok_or_else(|| {
            self.shares.release(owner, len);
            DataPathFull::NoSpace
        })
    }

    /// A free extent of exactly this length.
    fn fitting(&mut self, len: u32) -> Option<u32> {
        self.free.get_mut(class(len)).and_then(Vec::pop)
    }

    /// Slots that were never used.
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

    /// Merges adjacent free extents.
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

    /// Transfers an extent in use from one owner to another.
    pub(crate) fn set_owner(&mut self, extent: Extent, from: Owner, to: Owner) {
        self.shares.release(from, extent.len);
        self.shares.count(to, extent.len);
    }

    /// Frees the owner's extent.
    pub(crate) fn free(&mut self, extent: Extent, owner: Owner) {
        self.shares.release(owner, extent.len);
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
    fn extents_do_not_overlap_and_fit_again() {
        let mut extents = ExtentAllocator::new(MANY);
        let nine = extents.alloc(9, Owner::Host).unwrap();
        let one = extents.alloc(1, Owner::Host).unwrap();
        assert_eq!((nine.at, nine.len(), one.at, one.len()), (0, 10, 10, 1));
        extents.free(nine, Owner::Host);
        assert_eq!(extents.alloc(10, Owner::Host).unwrap().at, 0);
        assert_eq!(extents.alloc(10, Owner::Host).unwrap().at, 11);
    }

    #[test]
    fn every_class_has_one_length_and_at_most_a_fifth_is_unused() {
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
    fn gaps_between_used_extents_are_reused() {
        let mut extents = ExtentAllocator::with_used(
            MANY,
            vec![Extent::at(7, 3), Extent::at(0, 2), Extent::at(3, 0)],
        );
        let taken = [1, 5, 1].map(|len| extents.alloc(len, Owner::Host).unwrap().at);
        assert_eq!(taken, [10, 2, 11]);
    }

    #[test]
    fn an_empty_extent_uses_no_slots() {
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
    fn freed_extents_are_merged_when_slots_run_out() {
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
