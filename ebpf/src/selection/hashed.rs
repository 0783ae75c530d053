//! The server at the client's place in a table (`sh`, `mh`).
//!
//! While a connection is being made, the client is known by the address that its socket is bound
//! to, if it is; else by its network namespace.

use core::{
    ffi::{c_long, c_void},
    ptr::addr_of_mut,
};

use aya_ebpf::helpers::bpf_loop;
use sockvs_ebpf_common::{
    MAGLEV_KEY, OPTION_FALLBACK, OPTION_PORT, Selection, maglev_hash, source_hash,
};

use super::{GO_ON, NOBODY, STOP, is_overloaded};
use crate::{address::Client, table};

/// How clients' places are found. A type, and not a value that is looked at while searching: see
/// `hidden_zero`.
pub(super) trait Hash {
    /// A client's hash, `offset` places further.
    fn hash(client: u32, offset: u32) -> u32;
}

/// By multiplication (`sh`).
pub(super) struct Source;

impl Hash for Source {
    #[inline(always)]
    fn hash(client: u32, offset: u32) -> u32 {
        source_hash(client).wrapping_add(offset)
    }
}

/// By SipHash (`mh`).
pub(super) struct Maglev;

impl Hash for Maglev {
    #[inline(always)]
    fn hash(client: u32, offset: u32) -> u32 {
        maglev_hash(client.wrapping_add(offset), MAGLEV_KEY)
    }
}

/// A table, and a client that has its place there.
#[repr(C)]
#[derive(Clone, Copy)]
struct Table {
    first_at: u32,
    len: u32,
    client: u32,
}

/// Going round the table from the client's place.
#[repr(C)]
struct Search {
    table: Table,
    start: u32,
    found: u32,
}

/// The server at the client's place, or with the fallback option another one if that takes no
/// connection.
#[inline(always)]
pub(super) fn find<H: Hash>(selection: &Selection, client: &Client) -> Option<u32> {
    let mut hashed = client.address;
    if selection.options & OPTION_PORT != 0 {
        hashed = hashed.wrapping_add(client.port.into());
    }
    let table = Table {
        first_at: selection.first_at,
        len: selection.first_len,
        client: hashed,
    };
    let start = place::<H>(&table, 0)?;
    if let Some(index) = usable_at(&table, start) {
        return Some(index);
    }
    if selection.options & OPTION_FALLBACK == 0 {
        return None;
    }
    let mut search = Search {
        table,
        start,
        found: NOBODY,
    };
    let look: unsafe extern "C" fn(u32, *mut Search) -> c_long = look::<H>;
    // SAFETY: the helper calls `look` with each index below the given one, and with `search`.
    unsafe {
        bpf_loop(
            selection.first_len,
            look as *mut c_void,
            addr_of_mut!(search).cast(),
            0,
        )
    };
    (search.found != NOBODY).then_some(search.found)
}

/// Looks at one place of the table.
///
/// # Safety
///
/// `search` points to a search that nobody else looks at.
unsafe extern "C" fn look<H: Hash>(nth: u32, search: *mut Search) -> c_long {
    // SAFETY: as the caller promises.
    let search = unsafe { &mut *search };
    let offset = nth.wrapping_add(search.start).checked_rem(search.table.len);
    let place = offset.and_then(|offset| place::<H>(&search.table, offset));
    match place.and_then(|place| usable_at(&search.table, place)) {
        Some(index) => {
            search.found = index;
            STOP
        }
        None => GO_ON,
    }
}

#[inline(always)]
fn place<H: Hash>(table: &Table, offset: u32) -> Option<u32> {
    H::hash(table.client, offset).checked_rem(table.len)
}

#[inline(always)]
fn usable_at(table: &Table, place: u32) -> Option<u32> {
    let slot = table::slot(table.first_at + place)?;
    let (index, weight) = (slot as u32, slot >> 32);
    (weight != 0 && !is_overloaded(table::destination(index)?)).then_some(index)
}
