//! The clients that persistent services remember: looks at some when the daemon asks. Removes
//! those whose time is over, whose service is gone, or that the daemon wants to be removed to make
//! room (`EVICTION`), and tells the daemon of the others.

use core::{
    ffi::c_void,
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::{btf_maps::Array, macros::btf_map, programs::RawTracePointContext};
use sockvs_ebpf_common::{
    Eviction, LiveTemplate, Template, TemplateKey, TemplateKeys, TemplateResult, WALK_BATCH,
};

use crate::{counter, persistence, shares, table};

/// How long after its time a template is left alone: a program may be about to prolong it.
const GRACE: u64 = 2_000_000_000;

/// Not pinned: it is of the daemon that asks.
#[btf_map]
static EVICTION: Array<Eviction, 1> = Array::new();

#[btf_map]
static TEMPLATE_KEYS: Array<TemplateKeys, 1> = Array::new();

#[btf_map]
static TEMPLATE_RESULT: Array<TemplateResult, 1> = Array::new();

/// Looks at the templates of these keys. Argument: how many there are in `TEMPLATE_KEYS`.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/templates")]
pub(crate) extern "C" fn sockvs_walk_templates(ctx: *mut c_void) -> u32 {
    let keys = RawTracePointContext::new(ctx).arg::<u64>(0) as u32;
    let mut told = 0;
    for nth in 0..WALK_BATCH {
        if nth >= keys {
            break;
        }
        told += sockvs_visit_template(told, nth);
    }
    told
}

/// Looks at the `nth` template, and tells of it as the `told`th: the number of templates told. A
/// function of its own for the verifier's sake.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_visit_template(told: u32, nth: u32) -> u32 {
    let Some(key) = key(nth) else {
        return 0;
    };
    let (Some(template), Some(live)) = (persistence::template(&key), result(told)) else {
        return 0;
    };
    // SAFETY: a value of the map; programs change it by whole words or replace it as a whole.
    let template = unsafe { template.read_volatile() };
    let service = table::service_at(template.service)
        .filter(|service| table::service_use(*service) == template.service_use)
        .filter(|service| table::is_live(*service));
    let idle_since = |time: u64| template.n_control == 0 && template.expires < time;
    let now = persistence::now();
    let Some(service) = service else {
        remove(&key);
        return 0;
    };
    if idle_since(now.saturating_sub(GRACE)) || idle_since(eviction(&template)) {
        if remove(&key) {
            counter::add_half(persistence::templates_of(service), u32::MAX);
        }
        return 0;
    }
    live.expires = template.expires;
    live.destination = template.destination;
    live.service = template.service;
    live.n_control = template.n_control;
    1
}

#[inline(always)]
fn remove(key: &TemplateKey) -> bool {
    let removed = persistence::remove(key);
    if removed && let Some(total) = shares::templates() {
        counter::add_half(total, u32::MAX);
    }
    removed
}

#[inline(always)]
fn key(nth: u32) -> Option<TemplateKey> {
    if nth >= WALK_BATCH {
        return None;
    }
    let keys = TEMPLATE_KEYS.get_ptr(0)?;
    // SAFETY: a part of the map's only value.
    let first = unsafe { addr_of!((*keys).keys) }.cast::<TemplateKey>();
    // SAFETY: the index is below what there is.
    let key = unsafe { first.add(nth as usize) };
    // SAFETY: as above.
    Some(unsafe { key.read_volatile() })
}

#[inline(always)]
fn result(nth: u32) -> Option<&'static mut LiveTemplate> {
    if nth >= WALK_BATCH {
        return None;
    }
    let result = TEMPLATE_RESULT.get_ptr_mut(0)?;
    // SAFETY: a part of the map's only value.
    let first = unsafe { addr_of_mut!((*result).templates) }.cast::<LiveTemplate>();
    // SAFETY: the index is below what there is; only the daemon's own run has it.
    Some(unsafe { &mut *first.add(nth as usize) })
}

/// Before which time a template that is idle is to be removed to make room; zero if it is to stay.
#[inline(always)]
fn eviction(template: &Template) -> u64 {
    let Some(eviction) = EVICTION.get_ptr(0) else {
        return 0;
    };
    // SAFETY: the map's only value, which the daemon writes before it asks.
    let Eviction {
        before, service, ..
    } = unsafe { eviction.read_volatile() };
    if service == template.service {
        before
    } else {
        0
    }
}
