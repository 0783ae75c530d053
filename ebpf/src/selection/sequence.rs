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

/// The last segment that starts at or before `place`.
#[inline(always)]
fn segment_at(at: u32, segments: u32, place: u64) -> Option<Segment> {
    let mut low = 0;
    let mut high = segments;
    for _ in 0..HALVINGS {
        if high - low <= 1 {
            break;
        }
        let middle = low + (high - low) / 2;
        if table::slot(at + middle * Segment::WORDS)? <= place {
            low = middle;
        } else {
            high = middle;
        }
    }
    let at = at + low * Segment::WORDS;
    Some(Segment::from_words([
        table::slot(at)?,
        table::slot(at + 1)?,
    ]))
}
