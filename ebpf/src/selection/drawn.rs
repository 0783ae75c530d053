//! Two servers are drawn by weight, and the one with less to do for its weight is taken (`twos`).

use core::{
    ffi::{c_long, c_void},
    ptr::addr_of_mut,
};

use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_loop};
use sockvs_ebpf_common::Selection;

use super::{GO_ON, NOBODY, STOP, active, is_overloaded, total};
use crate::table;

/// Adding up the weights, then going through them until both draws are found.
#[repr(C)]
struct Draw {
    weights: u64,
    first_left: i64,
    second_left: i64,
    first_at: u32,
    first: u32,
    second: u32,
    drawn: u32,
}

/// The server, unless all are overloaded.
#[inline(always)]
pub(super) fn find(selection: &Selection) -> Option<u32> {
    let mut draw = Draw {
        weights: 0,
        first_left: 0,
        second_left: 0,
        first_at: selection.first_at,
        first: NOBODY,
        second: NOBODY,
        drawn: 0,
    };
    turns(selection.first_len, &mut draw);
    if draw.weights == 0 {
        return None;
    }
    draw.first_left = random_up_to(draw.weights);
    draw.second_left = random_up_to(draw.weights);
    draw.drawn = 1;
    turns(selection.first_len, &mut draw);
    let first = (draw.first != NOBODY).then_some(draw.first)?;
    let mut place = first;
    if draw.second != NOBODY {
        let (one, its_weight) = overhead(selection, first)?;
        let (other, other_weight) = overhead(selection, draw.second)?;
        if one * other_weight > other * its_weight {
            place = draw.second;
        }
    }
    Some(table::slot(selection.first_at + place)? as u32)
}

#[inline(always)]
fn turns(servers: u32, draw: &mut Draw) {
    let look: unsafe extern "C" fn(u32, *mut Draw) -> c_long = look;
    // SAFETY: the helper calls `look` with each index below the given one, and with `draw`.
    unsafe { bpf_loop(servers, look as *mut c_void, addr_of_mut!(*draw).cast(), 0) };
}

/// A number from zero to `most`, both included.
#[inline(always)]
fn random_up_to(most: u64) -> i64 {
    // SAFETY: the helper takes no arguments.
    let random = u64::from(unsafe { bpf_get_prandom_u32() });
    ((random * (most + 1)) >> 32) as i64
}

/// A drawn server's overhead and weight.
#[inline(always)]
fn overhead(selection: &Selection, place: u32) -> Option<(u64, u64)> {
    let slot = table::slot(selection.first_at + place)?;
    let destination = table::destination(slot as u32)?;
    Some(((active(destination) << 8) + total(destination), slot >> 32))
}

/// Looks at one server.
///
/// # Safety
///
/// `draw` points to a draw that nobody else looks at.
unsafe extern "C" fn look(nth: u32, draw: *mut Draw) -> c_long {
    // SAFETY: as the caller promises.
    let draw = unsafe { &mut *draw };
    let Some(slot) = table::slot(draw.first_at + nth) else {
        return STOP;
    };
    match table::destination(slot as u32) {
        Some(destination) if !is_overloaded(destination) => {}
        Some(_) => return GO_ON,
        None => return STOP,
    }
    let weight = slot >> 32;
    if draw.drawn == 0 {
        draw.weights += weight;
        return GO_ON;
    }
    draw.first_left -= weight as i64;
    draw.second_left -= weight as i64;
    if draw.first_left <= 0 && draw.first == NOBODY {
        draw.first = nth;
    }
    if draw.second_left <= 0 && draw.second == NOBODY {
        draw.second = nth;
    }
    if draw.first != NOBODY && draw.second != NOBODY {
        STOP
    } else {
        GO_ON
    }
}
