//! Two servers are drawn by weight, and the one with less to do for its weight is taken (`twos`).

use core::{
    ffi::{c_long, c_void},
    ptr::addr_of_mut,
};

use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_loop};
use sockvs_ebpf_common::Selection;

use super::{GO_ON, NOBODY, STOP, active, is_overloaded, total};
use crate::table;

/// Adding up the weights.
#[repr(C)]
struct Sum {
    weights: u64,
    first_at: u32,
    zero: u32,
}

/// Going through the weights until they add up to what was drawn.
#[repr(C)]
struct Draw {
    left: u64,
    first_at: u32,
    place: u32,
}

/// The server, unless all are overloaded.
#[inline(always)]
pub(super) fn find(selection: &Selection) -> Option<u32> {
    let (at, servers) = (selection.first_at, selection.first_len);
    let weights = sockvs_weights(at, servers);
    if weights == 0 {
        return None;
    }
    let mut place = draw(at, servers, weights)?;
    if let Some(other) = draw(at, servers, weights) {
        let (one, its_weight) = overhead(selection, place)?;
        let (another, other_weight) = overhead(selection, other)?;
        if one * other_weight > another * its_weight {
            place = other;
        }
    }
    Some(table::slot(at + place)? as u32)
}

/// The place of a server that is drawn by weight.
#[inline(always)]
fn draw(at: u32, servers: u32, weights: u64) -> Option<u32> {
    let place = sockvs_draw(at, servers, random_up_to(weights));
    (place != NOBODY).then_some(place)
}

/// What the weights add up to. A function of its own for the verifier, as `sockvs_choose` is.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_weights(first_at: u32, servers: u32) -> u64 {
    let mut sum = Sum {
        weights: 0,
        first_at,
        zero: 0,
    };
    let add: unsafe extern "C" fn(u32, *mut Sum) -> c_long = add;
    // SAFETY: the helper calls `add` with each index below the given one, and with `sum`.
    unsafe { bpf_loop(servers, add as *mut c_void, addr_of_mut!(sum).cast(), 0) };
    sum.weights
}

/// The place at which the weights add up to a number, or `NOBODY`. A function of its own for the
/// verifier, too.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_draw(first_at: u32, servers: u32, left: u64) -> u32 {
    let mut draw = Draw {
        left,
        first_at,
        place: NOBODY,
    };
    let take: unsafe extern "C" fn(u32, *mut Draw) -> c_long = take;
    // SAFETY: the helper calls `take` with each index below the given one, and with `draw`.
    unsafe { bpf_loop(servers, take as *mut c_void, addr_of_mut!(draw).cast(), 0) };
    draw.place
}

/// A number from zero to `most`, both included.
#[inline(always)]
fn random_up_to(most: u64) -> u64 {
    // SAFETY: the helper takes no arguments.
    let random = u64::from(unsafe { bpf_get_prandom_u32() });
    (random * (most + 1)) >> 32
}

/// A drawn server's overhead and weight.
#[inline(always)]
fn overhead(selection: &Selection, place: u32) -> Option<(u64, u64)> {
    let slot = table::slot(selection.first_at + place)?;
    let destination = table::destination(slot as u32)?;
    Some(((active(destination) << 8) + total(destination), slot >> 32))
}

/// Adds one server's weight.
///
/// # Safety
///
/// `sum` points to one that nobody else looks at.
unsafe extern "C" fn add(nth: u32, sum: *mut Sum) -> c_long {
    // SAFETY: as the caller promises.
    let sum = unsafe { &mut *sum };
    // No comparison here: the verifier would follow how far the sum can have come.
    sum.weights = sum.weights.wrapping_add(usable_weight(sum.first_at, nth));
    GO_ON
}

/// Takes one server's weight from what is left.
///
/// # Safety
///
/// `draw` points to one that nobody else looks at.
unsafe extern "C" fn take(nth: u32, draw: *mut Draw) -> c_long {
    // SAFETY: as the caller promises.
    let draw = unsafe { &mut *draw };
    let weight = usable_weight(draw.first_at, nth);
    if weight == 0 {
        return GO_ON;
    }
    if draw.left <= weight {
        draw.place = nth;
        return STOP;
    }
    draw.left -= weight;
    GO_ON
}

/// A server's weight, or zero if it takes no connection.
#[inline(always)]
fn usable_weight(first_at: u32, nth: u32) -> u64 {
    let Some(slot) = table::slot(first_at + nth) else {
        return 0;
    };
    match table::destination(slot as u32) {
        Some(destination) if !is_overloaded(destination) => slot >> 32,
        _ => 0,
    }
}
