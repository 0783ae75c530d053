//! How much of `OVERFLOW` and `FLOWS` each user has, and all together: so no user takes the room
//! that others need. What a user may have is told at `sockvs_ebpf_common::share_allows`.

use core::ptr::{addr_of, addr_of_mut};

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE, btf_maps::Array, helpers::bpf_get_current_uid_gid, macros::btf_map,
};
use sockvs_ebpf_common::{
    CONNECTIONS_SHARE_FACTOR, FLOWS_SHARE_FACTOR, OWNERS, Share, Totals, owner_of, share_allows,
};

use crate::counter;

#[btf_map]
static SHARES: Array<Share, { OWNERS as usize }> = Array::new();

#[btf_map]
static TOTALS: Array<Totals, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// What is shared.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    /// The entries of `OVERFLOW`.
    Connections,
    /// Those of `FLOWS`.
    Flows,
}

/// Whose share the running process uses.
#[inline(always)]
pub(crate) fn owner() -> u32 {
    // The lower half is the user's number.
    owner_of(bpf_get_current_uid_gid() as u32)
}

/// Takes one for an owner, where there may be `limit` of them. Whether there is one to be had.
#[inline(always)]
pub(crate) fn take(of: Of, owner: u32, limit: u32) -> bool {
    let Some((own, total)) = numbers(of, owner) else {
        return false;
    };
    let (had, taken) = (counter::add_half(own, 1), counter::add_half(total, 1));
    let times = match of {
        Of::Connections => CONNECTIONS_SHARE_FACTOR,
        Of::Flows => FLOWS_SHARE_FACTOR,
    };
    if share_allows(owner, had, taken, limit, times) {
        return true;
    }
    counter::add_half(own, u32::MAX);
    counter::add_half(total, u32::MAX);
    false
}

/// Gives one back that was taken for an owner.
#[inline(always)]
pub(crate) fn give_back(of: Of, owner: u32) {
    if let Some((own, total)) = numbers(of, owner) {
        counter::add_half(own, u32::MAX);
        counter::add_half(total, u32::MAX);
    }
}

/// How many templates there are.
#[inline(always)]
pub(crate) fn templates() -> Option<*mut u32> {
    let totals = TOTALS.get_ptr_mut(0)?;
    // SAFETY: a field of the map's only value.
    Some(unsafe { addr_of_mut!((*totals).templates) })
}

/// How many flows there are.
#[inline(always)]
pub(crate) fn flows() -> u32 {
    // SAFETY: a field of the map's only value, read whole.
    TOTALS.get_ptr(0).map_or(0, |totals| unsafe {
        addr_of!((*totals).flows).read_volatile()
    })
}

#[inline(always)]
fn numbers(of: Of, owner: u32) -> Option<(*mut u32, *mut u32)> {
    let own = SHARES.get_ptr_mut(owner)?;
    let total = TOTALS.get_ptr_mut(0)?;
    Some(match of {
        Of::Connections => {
            // SAFETY: a field of a value of the map.
            let own = unsafe { addr_of_mut!((*own).connections) };
            // SAFETY: as above.
            (own, unsafe { addr_of_mut!((*total).connections) })
        }
        Of::Flows => {
            // SAFETY: as above.
            let own = unsafe { addr_of_mut!((*own).flows) };
            // SAFETY: as above.
            (own, unsafe { addr_of_mut!((*total).flows) })
        }
    })
}
