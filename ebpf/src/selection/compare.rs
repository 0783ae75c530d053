//! Looking at each server: the one with the least to do for its weight (`lc`, `wlc`, `sed`, `nq`),
//! or the first that can take the connection (`fo`, `ovf`).
//!
//! The loop is the kernel's (`bpf_loop`, Linux 5.17): written out here, the verifier would have to
//! follow every turn of it.

use core::{
    ffi::{c_long, c_void},
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::helpers::bpf_loop;
use sockvs_ebpf_common::{Destination, Selection, SelectionKind};

use super::{GO_ON, NOBODY, STOP, active, hidden_zero, is_overloaded, total};
use crate::table;

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
pub(super) fn find(at: *mut Selection, selection: &Selection) -> Option<u32> {
    let zero = hidden_zero(at);
    let mut search = Search {
        // SAFETY: a field of a record; read again, so that the verifier knows nothing of it.
        kind: unsafe { addr_of!((*at).kind).read_volatile() },
        first_at: selection.first_at,
        best: NOBODY.wrapping_add(zero),
        zero: 0,
        load: zero.into(),
        weight: zero.into(),
    };
    let look: unsafe extern "C" fn(u32, *mut Search) -> c_long = look;
    // SAFETY: the helper calls `look` with each index below the given one, and with `search`.
    unsafe {
        bpf_loop(
            selection.first_len,
            look as *mut c_void,
            addr_of_mut!(search).cast(),
            0,
        )
    };
    (search.best != NOBODY).then_some(search.best)
}

/// Looks at one server.
///
/// # Safety
///
/// `search` points to a search that nobody else looks at.
unsafe extern "C" fn look(nth: u32, search: *mut Search) -> c_long {
    // SAFETY: as the caller promises.
    let search = unsafe { &mut *search };
    let Some(slot) = table::slot(search.first_at + nth) else {
        return STOP;
    };
    let (index, weight) = (slot as u32, slot >> 32);
    let Some(destination) = table::destination(index) else {
        return STOP;
    };
    if is_overloaded(destination) {
        return GO_ON;
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
            if active(destination) > weight {
                return GO_ON;
            }
            search.best = index;
            return STOP;
        }
        NEVER_QUEUE if active(destination) == 0 => {
            search.best = index;
            return STOP;
        }
        _ => {}
    }
    let load = load(search.kind, destination);
    // Of two loads for their weights, l/w and m/v, the first is more if l*v is more than m*w.
    if search.best == NOBODY || search.load * weight > load * search.weight {
        search.best = index;
        search.load = load;
        search.weight = weight;
    }
    GO_ON
}

#[inline(always)]
fn load(kind: u32, destination: *mut Destination) -> u64 {
    if kind == SelectionKind::LeastOverhead as u32 {
        (active(destination) << 8) + total(destination)
    } else {
        active(destination) + 1
    }
}
