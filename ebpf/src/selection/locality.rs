//! Locality-based scheduling (`lblc`, `lblcr`).
//!
//! The kernel stays with a server for each virtual address, which fits its firewall-mark services.
//! A service with an address of its own has just that one, so that all its connections go to one
//! server, or one set of servers, until those are overloaded.

use core::ffi::c_long;

use sockvs_ebpf_common::{Selection, SelectionKind};

use super::repeat::{CONTINUE, NO_DESTINATION, STOP, repeat};
use crate::{
    atomic::Atomic64,
    maps,
    records::{DestinationRef, SelectionRef},
};

/// The least overhead for its weight that was seen so far.
#[repr(C)]
#[derive(Clone, Copy)]
struct Least {
    load: u64,
    weight: u64,
    index: u32,
    /// When the server joined the set of `lblcr`, or zero.
    joined: u32,
}

/// Going through all servers.
#[repr(C)]
struct Survey {
    /// The index of the server that `lblc` stays with, plus one.
    current: u64,
    kind: u32,
    first_at: u32,
    /// Of the server or the set that is stayed with.
    ours: Least,
    /// Of all.
    all: Least,
    /// Whether any server has less than half of what its weight stands for.
    idle: u32,
    zero: u32,
}

/// The server, unless all are overloaded.
#[inline(always)]
pub(super) fn find(at: SelectionRef, selection: &Selection) -> Option<u32> {
    let zero = at.hidden_zero();
    let none = Least {
        load: zero.into(),
        weight: zero.into(),
        index: NO_DESTINATION.wrapping_add(zero),
        joined: zero,
    };
    let mut survey = Survey {
        current: selection.cursor,
        kind: at.kind(),
        first_at: selection.first_at,
        ours: none,
        all: none,
        idle: zero,
        zero: 0,
    };
    repeat(selection.first_len, visit, &mut survey);
    if survey.ours.index != NO_DESTINATION {
        let busy = maps::destination_at(survey.ours.index)?.active().load() > survey.ours.weight;
        if !(busy && survey.idle != 0) {
            return Some(survey.ours.index);
        }
    }
    if survey.all.index == NO_DESTINATION {
        return None;
    }
    if selection.kind == SelectionKind::Locality as u32 {
        // Of two connections that move to another server at once, the last one decides.
        at.cursor().store(u64::from(survey.all.index) + 1);
    } else if survey.all.joined == 0 {
        join(maps::destination_at(survey.all.index)?, at.cursor());
    }
    Some(survey.all.index)
}

/// The server joins the set of `lblcr` as its newest member (`ip_vs_dest_set_insert`).
#[inline(always)]
fn join(destination: DestinationRef, cursor: Atomic64) {
    destination.set_joined((cursor.add(1) + 1) as u32);
}

/// Compares one server.
extern "C" fn visit(nth: u32, survey: &mut Survey) -> c_long {
    let Some(slot) = maps::slot(survey.first_at + nth) else {
        return STOP;
    };
    let (index, weight) = (slot as u32, slot >> 32);
    let Some(destination) = maps::destination_at(index) else {
        return STOP;
    };
    if destination.active().load() * 2 < weight {
        survey.idle = 1;
    }
    let overloaded = destination.is_overloaded();
    let load = destination.overhead();
    let joined = destination.joined();
    let seen = Least {
        load,
        weight,
        index,
        joined,
    };
    let ours = if survey.kind == SelectionKind::Locality as u32 {
        survey.current == u64::from(index) + 1
    } else {
        !overloaded && joined != 0
    };
    if ours && (less(&survey.ours, load, weight) || is_newer(&survey.ours, &seen)) {
        survey.ours = seen;
    }
    if !overloaded && less(&survey.all, load, weight) {
        survey.all = seen;
    }
    CONTINUE
}

/// Whether a load is less for its weight than the least one.
#[inline(always)]
fn less(least: &Least, load: u64, weight: u64) -> bool {
    least.index == NO_DESTINATION || least.load * weight > load * least.weight
}

/// Whether a server has the same load for its weight as the least one, and joined later.
#[inline(always)]
fn is_newer(least: &Least, seen: &Least) -> bool {
    least.load * seen.weight == seen.load * least.weight && seen.joined > least.joined
}
