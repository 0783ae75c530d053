//! Reading the load of each server: the one with the least load for its weight (`lc`, `wlc`, `sed`,
//! `nq`), or the first that can take the connection (`fo`, `ovf`).

use core::ffi::c_long;

use sockvs_ebpf_common::{Selection, SelectionKind};

use super::repeat::{CONTINUE, NO_DESTINATION, STOP, repeat};
use crate::{
    maps,
    records::{DestinationRef, SelectionRef},
};

/// The search, from one server to the next.
#[repr(C)]
struct Search {
    kind: u32,
    first_at: u32,
    best: u32,
    zero: u32,
    load: u64,
    weight: u64,
}

/// The server, unless none can take the connection. Of equals it is the first.
#[inline(always)]
pub(super) fn find(at: SelectionRef, selection: &Selection) -> Option<u32> {
    let zero = at.hidden_zero();
    let mut search = Search {
        kind: at.kind(),
        first_at: selection.first_at,
        best: NO_DESTINATION.wrapping_add(zero),
        zero: 0,
        load: zero.into(),
        weight: zero.into(),
    };
    repeat(selection.first_len, visit, &mut search);
    (search.best != NO_DESTINATION).then_some(search.best)
}

/// Compares one server.
extern "C" fn visit(nth: u32, search: &mut Search) -> c_long {
    let Some(slot) = maps::slot(search.first_at + nth) else {
        return STOP;
    };
    let (index, weight) = (slot as u32, slot >> 32);
    let Some(destination) = maps::destination_at(index) else {
        return STOP;
    };
    if destination.is_overloaded() {
        return CONTINUE;
    }
    const FIRST_USABLE: u32 = SelectionKind::FirstUsable as u32;
    const OVERFLOW: u32 = SelectionKind::Overflow as u32;
    const NEVER_QUEUE: u32 = SelectionKind::NeverQueue as u32;
    match search.kind {
        FIRST_USABLE => {
            search.best = index;
            return STOP;
        }
        OVERFLOW => {
            if destination.active().load() > weight {
                return CONTINUE;
            }
            search.best = index;
            return STOP;
        }
        NEVER_QUEUE if destination.active().load() == 0 => {
            search.best = index;
            return STOP;
        }
        _ => {}
    }
    let load = load(search.kind, destination);
    // Of two loads for their weights, l/w and m/v, the first is more if l*v is more than m*w.
    if search.best == NO_DESTINATION || search.load * weight > load * search.weight {
        search.best = index;
        search.load = load;
        search.weight = weight;
    }
    CONTINUE
}

#[inline(always)]
fn load(kind: u32, destination: DestinationRef) -> u64 {
    if kind == SelectionKind::LeastOverhead as u32 {
        destination.overhead()
    } else {
        destination.active().load() + 1
    }
}
