//! Each user's share of `OVERFLOW` and `FLOWS`, and the totals, so that no user takes the room that
//! others need. How much a user may have is documented at `sockvs_ebpf_common::share_allows`.

use core::ptr::addr_of_mut;

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE, btf_maps::Array, helpers::bpf_get_current_uid_gid, macros::btf_map,
};
use sockvs_ebpf_common::{
    CONNECTIONS_SHARE_FACTOR, FLOWS_SHARE_FACTOR, OWNERS, Share, Totals, owner_of, share_allows,
};

use crate::atomic::Atomic32;

#[btf_map]
static SHARES: Array<Share, { OWNERS as usize }> = Array::new();

#[btf_map]
static TOTALS: Array<Totals, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// What is shared.
#[derive(Clone, Copy)]
pub(crate) enum Resource {
    /// The entries of `OVERFLOW`.
    Connections,
    /// Those of `FLOWS`.
    Flows,
}

/// A word of a map's value.
macro_rules! word {
    ($value:ident.$field:ident) => {
        // SAFETY: an aligned field of a value that a look-up returned.
        unsafe { Atomic32::new(addr_of_mut!((*$value).$field)) }
    };
}

/// The owner whose share the running process uses.
#[inline(always)]
pub(crate) fn owner() -> u32 {
    // The lower half is the user id.
    owner_of(bpf_get_current_uid_gid() as u32)
}

/// Charges an owner with one entry, where there can be `limit` of them. Whether the owner may have
/// it.
#[inline(always)]
pub(crate) fn charge(resource: Resource, owner: u32, limit: u32) -> bool {
    let Some((own, total)) = counts(resource, owner) else {
        return false;
    };
    let (owned, used) = (own.add(1), total.add(1));
    let factor = match resource {
        Resource::Connections => CONNECTIONS_SHARE_FACTOR,
        Resource::Flows => FLOWS_SHARE_FACTOR,
    };
    if share_allows(owner, owned, used, limit, factor) {
        return true;
    }
    own.sub(1);
    total.sub(1);
    false
}

/// Takes back one charge.
#[inline(always)]
pub(crate) fn uncharge(resource: Resource, owner: u32) {
    if let Some((own, total)) = counts(resource, owner) {
        own.sub(1);
        total.sub(1);
    }
}

/// How many templates there are.
#[inline(always)]
pub(crate) fn templates() -> Option<Atomic32> {
    let totals = TOTALS.get_ptr_mut(0)?;
    Some(word!(totals.templates))
}

/// How many flows there are.
#[inline(always)]
pub(crate) fn flows() -> u32 {
    TOTALS
        .get_ptr_mut(0)
        .map_or(0, |totals| word!(totals.flows).load())
}

#[inline(always)]
fn counts(resource: Resource, owner: u32) -> Option<(Atomic32, Atomic32)> {
    let own = SHARES.get_ptr_mut(owner)?;
    let total = TOTALS.get_ptr_mut(0)?;
    Some(match resource {
        Resource::Connections => (word!(own.connections), word!(total.connections)),
        Resource::Flows => (word!(own.flows), word!(total.flows)),
    })
}
