//! The input of a service's scheduler.
//!
//! Every scheduler reads servers from `SLOTS`, a word each: the destination's
//! weight in the upper half, the index of its record in the lower.
//!
//! [`SelectionKind::Sequence`] is a sequence that repeats, in compressed form. `rr` goes round its
//! servers; `wrr` has rounds in which servers of lower weight do not take part. In full, a `wrr`
//! sequence has as many entries as the sum of the weights. Rounds with the same participants are
//! the same, so a [`Segment`] holds the participants once and says how many choices long it is. The
//! segment of a position is found by binary search in the number of different weights, which takes
//! no step for `rr` and for equal weights.

/// How a server of a selection is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum SelectionKind {
    /// In turn. Overloaded ones are skipped.
    #[default]
    Sequence = 0,
    /// The one with the least connections for its weight; an established one counts 257 times as
    /// much as one that is ending (`lc` with all weights one, `wlc`).
    LeastOverhead = 1,
    /// The one that would have the least established connections for its weight (`sed`).
    LeastExpected = 2,
    /// The first without established connections, or else as `LeastExpected` (`nq`).
    NeverQueue = 3,
    /// The first that is not overloaded (`fo`).
    FirstUsable = 4,
    /// The first that is not overloaded and has no more established connections than its weight
    /// (`ovf`).
    Overflow = 5,
    /// Of two that are drawn by weight, the one with the least connections for it (`twos`).
    TwoChoices = 6,
    /// The one in the client's bucket of a hash table, by multiplication (`sh`).
    SourceHash = 7,
    /// The one in the client's bucket of a hash table, by SipHash (`mh`).
    Maglev = 8,
    /// Always the same, until it has more established connections than its weight while another has
    /// less than half of that; then the one of `LeastOverhead` (`lblc`). The cursor is the index of
    /// its record plus one.
    Locality = 9,
    /// As `Locality`, but servers that were once chosen remain: the one of them with the least
    /// overhead, of equals the one that came last (`lblcr`). The cursor counts the servers that
    /// came.
    LocalityReplicated = 10,
}

/// A client's port is hashed, too (`sh-port`, `mh-port`).
pub const OPTION_PORT: u32 = 1;
/// If the server in the client's bucket takes no connection, another one does (`sh-fallback`,
/// `mh-fallback`).
pub const OPTION_FALLBACK: u32 = 2;

/// A service's servers, and the position of the next choice.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Counts up; the next choice is at `cursor % period`. Advanced by the programs.
    pub cursor: u64,
    /// How many choices the sequence has before it repeats; zero if no server can be used.
    pub period: u64,
    /// The index in `SLOTS` of the segments (two words each).
    pub segments_at: u32,
    /// How many segments there are.
    pub segments: u32,
    /// The index in `SLOTS` of the first segment's servers.
    pub first_at: u32,
    /// How many servers the first segment has.
    pub first_len: u32,
    /// How many words of `SLOTS` belong to it from `segments_at` on. Not read by the programs; kept
    /// for the next daemon.
    pub slots: u32,
    /// A [`SelectionKind`].
    pub kind: u32,
    /// [`OPTION_PORT`] and [`OPTION_FALLBACK`].
    pub options: u32,
    /// Zero.
    pub zero: u32,
}

/// A part of the sequence in which the same servers are chosen in turn. Two words in `SLOTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first choice that belongs to this segment.
    pub first: u64,
    /// The index in `SLOTS` of its servers, one word each.
    pub at: u32,
    /// How many servers it has.
    pub len: u32,
}

impl Segment {
    /// How many words a segment takes in `SLOTS`.
    pub const WORDS: u32 = 2;

    /// The segment's words in `SLOTS`.
    #[must_use]
    #[inline(always)]
    pub const fn to_words(self) -> [u64; 2] {
        [self.first, ((self.at as u64) << 32) | self.len as u64]
    }

    /// Reads a segment from `SLOTS`.
    #[must_use]
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
    pub const fn from_words(words: [u64; 2]) -> Self {
        Self {
            first: words[0],
            at: (words[1] >> 32) as u32,
            len: words[1] as u32,
        }
    }
}
