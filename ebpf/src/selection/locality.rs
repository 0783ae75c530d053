//! Servers that are stayed with (`lblc`, `lblcr`).
//!
//! The kernel stays with a server for each destination address, which fits its firewall-mark
//! services. A service with an address of its own has just that one, so that all its connections go
//! to one server, or one set of servers, until those have too much to do.

use core::{
    ffi::{c_long, c_void},
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::helpers::bpf_loop;
use sockvs_ebpf_common::{Destination, Selection, SelectionKind};

use super::{GO_ON, NOBODY, STOP, active, hidden_zero, is_overloaded, total};
use crate::{counter, table};

/// The least overhead for its weight that was seen so far.
#[repr(C)]
#[derive(Clone, Copy)]
struct Least {
    load: u64,
    weight: u64,
    index: u32,
    /// When `lblcr` began to stay with the server, or zero.
    joined: u32,
}

/// One look at all servers.
#[repr(C)]
struct Survey {
    /// What `lblc` stays with.
    kept: u64,
    kind: u32,
    first_at: u32,
    /// Among those that are stayed with.
    ours: Least,
    /// Among all.
    all: Least,
    /// Whether any server has less than half of what its weight stands for.
    idle: u32,
    zero: u32,
}

/// The server, unless all are overloaded.
#[inline(always)]
pub(super) fn find(at: *mut Selection, selection: &Selection, kept: *mut u64) -> Option<u32> {
    let zero = hidden_zero(at);
    let nobody = Least {
        load: zero.into(),
        weight: zero.into(),
        index: NOBODY.wrapping_add(zero),
        joined: zero,
    };
    let mut survey = Survey {
        kept: selection.cursor,
        // SAFETY: a field of a record; read again, so that the verifier knows nothing of it.
        kind: unsafe { addr_of!((*at).kind).read_volatile() },
        first_at: selection.first_at,
        ours: nobody,
        all: nobody,
        idle: zero,
        zero: 0,
    };
    let look: unsafe extern "C" fn(u32, *mut Survey) -> c_long = look;
    // SAFETY: the helper calls `look` with each index below the given one, and with `survey`.
    unsafe {
        bpf_loop(
            selection.first_len,
            look as *mut c_void,
            addr_of_mut!(survey).cast(),
            0,
        )
    };
    if survey.ours.index != NOBODY {
        let busy = active(table::destination(survey.ours.index)?) > survey.ours.weight;
        if !(busy && survey.idle != 0) {
            return Some(survey.ours.index);
        }
    }
    if survey.all.index == NOBODY {
        return None;
    }
    if selection.kind == SelectionKind::Locality as u32 {
        // SAFETY: an aligned word of the record, written whole. Of two connections that move to
        // another server at once, the last one decides.
        unsafe { kept.write_volatile(u64::from(survey.all.index) + 1) };
    } else if survey.all.joined == 0 {
        join(table::destination(survey.all.index)?, kept);
    }
    Some(survey.all.index)
}

/// The server is one of those that `lblcr` stays with from now on, as the last that came
/// (`ip_vs_dest_set_insert`).
#[inline(always)]
fn join(destination: *mut Destination, cursor: *mut u64) {
    let joined = (counter::add(cursor, 1) + 1) as u32;
    // SAFETY: an aligned word of the record, written whole.
    unsafe { addr_of_mut!((*destination).joined).write_volatile(joined) };
}

/// Looks at one server.
///
/// # Safety
///
/// `survey` points to one that nobody else looks at.
unsafe extern "C" fn look(nth: u32, survey: *mut Survey) -> c_long {
    // SAFETY: as the caller promises.
    let survey = unsafe { &mut *survey };
    let Some(slot) = table::slot(survey.first_at + nth) else {
        return STOP;
    };
    let (index, weight) = (slot as u32, slot >> 32);
    let Some(destination) = table::destination(index) else {
        return STOP;
    };
    if active(destination) * 2 < weight {
        survey.idle = 1;
    }
    let overloaded = is_overloaded(destination);
    let load = (active(destination) << 8) + total(destination);
    // SAFETY: a field within the record; the word is read whole.
    let joined = unsafe { addr_of!((*destination).joined).read_volatile() };
    let seen = Least {
        load,
        weight,
        index,
        joined,
    };
    let ours = if survey.kind == SelectionKind::Locality as u32 {
        survey.kept == u64::from(index) + 1
    } else {
        !overloaded && joined != 0
    };
    if ours && (less(&survey.ours, load, weight) || is_newer(&survey.ours, &seen)) {
        survey.ours = seen;
    }
    if !overloaded && less(&survey.all, load, weight) {
        survey.all = seen;
    }
    GO_ON
}

/// Whether a load is less for its weight than the least one.
#[inline(always)]
fn less(least: &Least, load: u64, weight: u64) -> bool {
    least.index == NOBODY || least.load * weight > load * least.weight
}

/// Whether a server has the same load for its weight as the least one, and came later.
#[inline(always)]
fn is_newer(least: &Least, seen: &Least) -> bool {
    least.load * seen.weight == seen.load * least.weight && seen.joined > least.joined
}
