//! Two servers are drawn at random, by weight; the one with the lower load for its weight is chosen
//! (`twos`).

use core::ffi::c_long;

use aya_ebpf::helpers::bpf_get_prandom_u32;
use sockvs_ebpf_common::Selection;

use super::repeat::{CONTINUE, NO_DESTINATION, STOP, repeat};
use crate::maps;

/// Adding up the weights.
#[repr(C)]
struct Sum {
    weights: u64,
    first_at: u32,
    zero: u32,
}

/// Going through the weights until they add up to the number that was drawn.
#[repr(C)]
struct Draw {
    left: u64,
    first_at: u32,
    index: u32,
}

/// The server, unless all are overloaded.
#[inline(always)]
pub(super) fn find(selection: &Selection) -> Option<u32> {
    let (at, servers) = (selection.first_at, selection.first_len);
    let weights = sockvs_weights(at, servers);
    if weights == 0 {
        return None;
    }
    let mut index = draw(at, servers, weights)?;
    if let Some(other) = draw(at, servers, weights) {
        let (one, its_weight) = overhead(selection, index)?;
        let (another, other_weight) = overhead(selection, other)?;
        if one * other_weight > another * its_weight {
            index = other;
        }
    }
    Some(maps::slot(at + index)? as u32)
}

/// The index, within the selection, of a server that is drawn by weight.
#[inline(always)]
fn draw(at: u32, servers: u32, weights: u64) -> Option<u32> {
    let index = sockvs_draw(at, servers, random_up_to(weights));
    (index != NO_DESTINATION).then_some(index)
}

/// What the weights add up to. A global function, which the verifier
/// checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_weights(first_at: u32, servers: u32) -> u64 {
    let mut sum = Sum {
        weights: 0,
        first_at,
        zero: 0,
    };
    repeat(servers, add_weight, &mut sum);
    sum.weights
}

/// The index at which the weights add up to a number, or `NO_DESTINATION`. A global function, too.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_draw(first_at: u32, servers: u32, left: u64) -> u32 {
    let mut draw = Draw {
        left,
        first_at,
        index: NO_DESTINATION,
    };
    repeat(servers, subtract_weight, &mut draw);
    draw.index
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
fn overhead(selection: &Selection, index: u32) -> Option<(u64, u64)> {
    let slot = maps::slot(selection.first_at + index)?;
    let destination = maps::destination_at(slot as u32)?;
    Some((destination.overhead(), slot >> 32))
}

/// Adds one server's weight.
extern "C" fn add_weight(nth: u32, sum: &mut Sum) -> c_long {
    // No comparison here: the verifier would follow each value that the sum can have.
    sum.weights = sum.weights.wrapping_add(usable_weight(sum.first_at, nth));
    CONTINUE
}

/// Subtracts one server's weight from what is left.
extern "C" fn subtract_weight(nth: u32, draw: &mut Draw) -> c_long {
    let weight = usable_weight(draw.first_at, nth);
    if weight == 0 {
        return CONTINUE;
    }
    if draw.left <= weight {
        draw.index = nth;
        return STOP;
    }
    draw.left -= weight;
    CONTINUE
}

/// A server's weight, or zero if it takes no connection.
#[inline(always)]
fn usable_weight(first_at: u32, nth: u32) -> u64 {
    let Some(slot) = maps::slot(first_at + nth) else {
        return 0;
    };
    match maps::destination_at(slot as u32) {
        Some(destination) if !destination.is_overloaded() => slot >> 32,
        _ => 0,
    }
}
