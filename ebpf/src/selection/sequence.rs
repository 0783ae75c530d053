//! Servers that take turns (`rr`, `wrr`): the next place in a sequence.

use core::{
    ffi::{c_long, c_void},
    ptr::addr_of_mut,
};

use aya_ebpf::helpers::bpf_loop;
use sockvs_ebpf_common::{Segment, Selection};

use super::{GO_ON, NOBODY, STOP, is_overloaded};
use crate::{counter, table};

/// Halvings that find a segment among all there can be.
const HALVINGS: u32 = 24;
/// How many overloaded servers are passed over before a connection is refused.
const PASSES: u32 = 4096;

/// Looking for a server that is not overloaded, from one place to the next.
#[repr(C)]
struct Search {
    selection: Selection,
    cursor: *mut u64,
    found: u32,
    zero: u32,
}

/// The next server that is not overloaded.
#[inline(always)]
pub(super) fn next(selection: &Selection, cursor: *mut u64) -> Option<u32> {
    let index = next_place(selection, cursor)?;
    if !is_overloaded(table::destination(index)?) {
        return Some(index);
    }
    let mut search = Search {
        selection: *selection,
        cursor,
        found: NOBODY,
        zero: 0,
    };
    let pass: unsafe extern "C" fn(u32, *mut Search) -> c_long = pass;
    // SAFETY: the helper calls `pass` with `search`, as often as it may be called.
    unsafe { bpf_loop(PASSES, pass as *mut c_void, addr_of_mut!(search).cast(), 0) };
    (search.found != NOBODY).then_some(search.found)
}

/// Looks at the next place.
///
/// # Safety
///
/// `search` points to a search that nobody else looks at.
unsafe extern "C" fn pass(_nth: u32, search: *mut Search) -> c_long {
    // SAFETY: as the caller promises.
    let search = unsafe { &mut *search };
    let Some(index) = next_place(&search.selection, search.cursor) else {
        return STOP;
    };
    match table::destination(index) {
        Some(destination) if is_overloaded(destination) => GO_ON,
        Some(_) => {
            search.found = index;
            STOP
        }
        None => STOP,
    }
}

/// The server at the next place. (Divisions are checked, because a panic has no place here.)
#[inline(always)]
fn next_place(selection: &Selection, cursor: *mut u64) -> Option<u32> {
    let place = counter::add(cursor, 1).checked_rem(selection.period)?;
    let slot = if selection.segments <= 1 {
        let turn = place.checked_rem(selection.first_len.into())?;
        u64::from(selection.first_at) + turn
    } else {
        let segment = segment_at(selection.segments_at, selection.segments, place)?;
        let turn = (place - segment.first).checked_rem(segment.len.into())?;
        u64::from(segment.at) + turn
    };
    Some(table::slot(slot as u32)? as u32)
}

/// Looking for a segment: it is at `low` or above, and below `high`.
#[repr(C)]
struct Halving {
    place: u64,
    at: u32,
    low: u32,
    high: u32,
    zero: u32,
}

/// The last segment that starts at or before `place`.
#[inline(always)]
fn segment_at(at: u32, segments: u32, place: u64) -> Option<Segment> {
    let at = at + sockvs_segment(at, segments, place) * Segment::WORDS;
    Some(Segment::from_words([
        table::slot(at)?,
        table::slot(at + 1)?,
    ]))
}

/// Which segment that is. A function of its own for the verifier, as `sockvs_choose` is.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_segment(at: u32, segments: u32, place: u64) -> u32 {
    let mut halving = Halving {
        place,
        at,
        low: 0,
        high: segments,
        zero: 0,
    };
    let halve: unsafe extern "C" fn(u32, *mut Halving) -> c_long = halve;
    // SAFETY: the helper calls `halve` with `halving`, as often as it may be called.
    unsafe {
        bpf_loop(
            HALVINGS,
            halve as *mut c_void,
            addr_of_mut!(halving).cast(),
            0,
        )
    };
    halving.low
}

/// Halves what is left, unless that is one segment.
///
/// # Safety
///
/// `halving` points to one that nobody else looks at.
unsafe extern "C" fn halve(_nth: u32, halving: *mut Halving) -> c_long {
    // SAFETY: as the caller promises.
    let halving = unsafe { &mut *halving };
    let left = halving.high.wrapping_sub(halving.low);
    if left <= 1 {
        return STOP;
    }
    let middle = halving.low.wrapping_add(left / 2);
    let Some(first) = table::slot(halving.at.wrapping_add(middle.wrapping_mul(Segment::WORDS)))
    else {
        return STOP;
    };
    if first <= halving.place {
        halving.low = middle;
    } else {
        halving.high = middle;
    }
    GO_ON
}
