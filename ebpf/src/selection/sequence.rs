//! Round robin (`rr`, `wrr`): the next position in a sequence of servers.

use core::ffi::c_long;

use sockvs_ebpf_common::{Segment, Selection};

use super::repeat::{CONTINUE, NO_DESTINATION, STOP, repeat};
use crate::{maps, records::SelectionRef};

/// Halvings that find a segment among all there can be.
const HALVINGS: u32 = 24;
/// How many overloaded servers are skipped before a connection is refused.
const SKIPS: u32 = 4096;

/// Looking for a server that is not overloaded, from one position to the next.
#[repr(C)]
struct Search {
    at: SelectionRef,
    found: u32,
    zero: u32,
}

/// The next server that is not overloaded, of the selection at `at`.
#[inline(always)]
pub(super) fn next(at: SelectionRef, selection: &Selection) -> Option<u32> {
    let index = next_server(at, selection)?;
    if !maps::destination_at(index)?.is_overloaded() {
        return Some(index);
    }
    let mut search = Search {
        at,
        found: NO_DESTINATION,
        zero: 0,
    };
    repeat(SKIPS, try_next, &mut search);
    (search.found != NO_DESTINATION).then_some(search.found)
}

/// Tries the next position.
extern "C" fn try_next(_nth: u32, search: &mut Search) -> c_long {
    // Read again, because there is no room for it on the stack.
    let selection = search.at.read();
    let Some(index) = next_server(search.at, &selection) else {
        return STOP;
    };
    match maps::destination_at(index) {
        Some(destination) if destination.is_overloaded() => CONTINUE,
        Some(_) => {
            search.found = index;
            STOP
        }
        None => STOP,
    }
}

/// The server at the next position. (Divisions are checked: a program cannot panic.)
#[inline(always)]
fn next_server(at: SelectionRef, selection: &Selection) -> Option<u32> {
    let position = at.cursor().add(1).checked_rem(selection.period)?;
    let slot = if selection.segments <= 1 {
        let nth = position.checked_rem(selection.first_len.into())?;
        u64::from(selection.first_at) + nth
    } else {
        let segment = segment_at(selection.segments_at, selection.segments, position)?;
        let nth = (position - segment.first).checked_rem(segment.len.into())?;
        u64::from(segment.at) + nth
    };
    Some(maps::slot(slot as u32)? as u32)
}

/// Looking for a segment: it is at `low` or above, and below `high`.
#[repr(C)]
struct Halving {
    position: u64,
    at: u32,
    low: u32,
    high: u32,
    zero: u32,
}

/// The last segment that starts at or before `position`.
#[inline(always)]
fn segment_at(at: u32, segments: u32, position: u64) -> Option<Segment> {
    let at = at + sockvs_segment(at, segments, position) * Segment::WORDS;
    Some(Segment::from_words([maps::slot(at)?, maps::slot(at + 1)?]))
}

/// Which segment that is. A global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_segment(at: u32, segments: u32, position: u64) -> u32 {
    let mut halving = Halving {
        position,
        at,
        low: 0,
        high: segments,
        zero: 0,
    };
    repeat(HALVINGS, halve, &mut halving);
    halving.low
}

/// Halves what is left, unless that is one segment.
extern "C" fn halve(_nth: u32, halving: &mut Halving) -> c_long {
    let left = halving.high.wrapping_sub(halving.low);
    if left <= 1 {
        return STOP;
    }
    let middle = halving.low.wrapping_add(left / 2);
    let Some(first) = maps::slot(halving.at.wrapping_add(middle.wrapping_mul(Segment::WORDS)))
    else {
        return STOP;
    };
    if first <= halving.position {
        halving.low = middle;
    } else {
        halving.high = middle;
    }
    CONTINUE
}
