//! The buffers that the daemon and the walking programs exchange: the keys of the entries to read,
//! and the records of what is open. Each walker has its own.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{btf_maps::Array, macros::btf_map};
use sockvs_ebpf_common::{
    ConnTuple, Eviction, FlowKey, LiveConnection, LiveTemplate, MAX_WALKERS, Template, TemplateKey,
    TemplateKeys, TemplateResult, WALK_BATCH, WalkKeys, WalkResult,
};

use crate::{mem, records::TupleRef};

// None of these is pinned: they belong to the daemon that runs the programs.

#[btf_map]
static WALK_KEYS: Array<WalkKeys, { MAX_WALKERS as usize }> = Array::new();

#[btf_map]
static WALK_RESULT: Array<WalkResult, { MAX_WALKERS as usize }> = Array::new();

#[btf_map]
static TEMPLATE_KEYS: Array<TemplateKeys, 1> = Array::new();

#[btf_map]
static TEMPLATE_RESULT: Array<TemplateResult, 1> = Array::new();

#[btf_map]
static EVICTION: Array<Eviction, 1> = Array::new();

/// The `nth` key of a walker.
#[inline(always)]
pub(super) fn key(walker: u32, nth: u32) -> Option<FlowKey> {
    if nth >= WALK_BATCH {
        return None;
    }
    let keys = WALK_KEYS.get_ptr(walker)?;
    // SAFETY: a part of a value of the map.
    let first = unsafe { addr_of!((*keys).keys) }.cast::<FlowKey>();
    // SAFETY: the index is below the length of the array.
    let key = unsafe { first.add(nth as usize) };
    // SAFETY: as above.
    Some(unsafe { key.read_volatile() })
}

/// A walker's record of the `nth` connection, zeroed.
#[inline(always)]
pub(super) fn result(walker: u32, nth: u32) -> Option<&'static mut LiveConnection> {
    if nth >= WALK_BATCH {
        return None;
    }
    let result = WALK_RESULT.get_ptr_mut(walker)?;
    // SAFETY: a part of a value of the map.
    let first = unsafe { addr_of_mut!((*result).connections) }.cast::<LiveConnection>();
    // SAFETY: the index is below the length of the array.
    let live = unsafe { first.add(nth as usize) };
    // SAFETY: as above; the record consists of words.
    unsafe { mem::zero(live) };
    // SAFETY: as above; only the walker's own runs use it.
    Some(unsafe { &mut *live })
}

/// Copies a tuple into a record.
#[inline(always)]
pub(super) fn copy_tuple(to: &mut ConnTuple, from: TupleRef) {
    // SAFETY: a reference is valid to write to.
    unsafe { mem::copy(to, from.as_ref()) };
}

/// The `nth` key of the walker of templates.
#[inline(always)]
pub(super) fn template_key(nth: u32) -> Option<TemplateKey> {
    if nth >= WALK_BATCH {
        return None;
    }
    let keys = TEMPLATE_KEYS.get_ptr(0)?;
    // SAFETY: a part of the map's only value.
    let first = unsafe { addr_of!((*keys).keys) }.cast::<TemplateKey>();
    // SAFETY: the index is below the length of the array.
    let key = unsafe { first.add(nth as usize) };
    // SAFETY: as above.
    Some(unsafe { key.read_volatile() })
}

/// The record of the `nth` template.
#[inline(always)]
pub(super) fn template_result(nth: u32) -> Option<&'static mut LiveTemplate> {
    if nth >= WALK_BATCH {
        return None;
    }
    let result = TEMPLATE_RESULT.get_ptr_mut(0)?;
    // SAFETY: a part of the map's only value.
    let first = unsafe { addr_of_mut!((*result).templates) }.cast::<LiveTemplate>();
    // SAFETY: the index is below the length of the array; only the daemon's own run uses it.
    Some(unsafe { &mut *first.add(nth as usize) })
}

/// A template without connections is evicted if it expires before this time; zero for never.
#[inline(always)]
pub(super) fn evicted_before(template: &Template) -> u64 {
    let Some(eviction) = EVICTION.get_ptr(0) else {
        return 0;
    };
    // SAFETY: the map's only value, which the daemon writes before it runs the program.
    let Eviction {
        before, service, ..
    } = unsafe { eviction.read_volatile() };
    if service == template.service {
        before
    } else {
        0
    }
}
