//! Walks the persistence templates when the daemon runs this program. Removes those that have
//! expired, whose service is gone, or that the daemon wants evicted to make room, and reports the
//! others.

use core::ffi::c_void;

use aya_ebpf::programs::RawTracePointContext;
use sockvs_ebpf_common::{TemplateKey, WALK_BATCH};

use super::batch;
use crate::{
    clock::{self, GRACE},
    maps, persistence, shares,
};

/// Walks the templates with these keys. Argument: how many there are in `TEMPLATE_KEYS`.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/templates")]
pub(crate) extern "C" fn sockvs_walk_templates(ctx: *mut c_void) -> u32 {
    let keys = RawTracePointContext::new(ctx).arg::<u64>(0) as u32;
    let mut reported = 0;
    for nth in 0..WALK_BATCH {
        if nth >= keys {
            break;
        }
        reported += sockvs_visit_template(reported, nth);
    }
    reported
}

/// Visits the `nth` template, and reports it as the `reported`th: how many it has reported. A
/// global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_visit_template(reported: u32, nth: u32) -> u32 {
    let Some(key) = batch::template_key(nth) else {
        return 0;
    };
    let (Some(template), Some(live)) = (
        persistence::template(&key),
        batch::template_result(reported),
    ) else {
        return 0;
    };
    let template = template.read();
    let service = maps::service_at(template.service)
        .filter(|service| service.use_number() == template.service_use)
        .filter(|service| service.is_live());
    let expired_by = |time: u64| template.n_control == 0 && template.expires < time;
    let now = clock::now();
    let Some(service) = service else {
        remove(&key);
        return 0;
    };
    if expired_by(now.saturating_sub(GRACE)) || expired_by(batch::evicted_before(&template)) {
        if remove(&key) {
            service.templates().sub(1);
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
        total.sub(1);
    }
    removed
}
