//! The server that the client's address leads to in a hash table (`sh`, `mh`).
//!
//! While a connection is being made, the client is identified by the address that its socket is
//! bound to, if it is; else by its network namespace.

use core::ffi::c_long;

use sockvs_ebpf_common::{
    MAGLEV_KEY, OPTION_FALLBACK, OPTION_PORT, Selection, maglev_hash, source_hash,
};

use super::repeat::{CONTINUE, NO_DESTINATION, STOP, repeat};
use crate::{address::Client, maps};

/// How clients are hashed. A type, and not a value that a callback would compare: see
/// `SelectionRef::hidden_zero`.
pub(super) trait Hash {
    /// A client's hash, `offset` buckets further.
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

/// A hash table, and the client.
#[repr(C)]
#[derive(Clone, Copy)]
struct Table {
    first_at: u32,
    len: u32,
    client: u32,
}

/// Going round the table from the client's bucket.
#[repr(C)]
struct Search {
    table: Table,
    start: u32,
    found: u32,
}

/// The server in the client's bucket, or with the fallback option another one if that takes no
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
    let start = bucket::<H>(&table, 0)?;
    if let Some(index) = usable_at(&table, start) {
        return Some(index);
    }
    if selection.options & OPTION_FALLBACK == 0 {
        return None;
    }
    let mut search = Search {
        table,
        start,
        found: NO_DESTINATION,
    };
    repeat(selection.first_len, visit::<H>, &mut search);
    (search.found != NO_DESTINATION).then_some(search.found)
}

/// Tries one bucket of the table.
extern "C" fn visit<H: Hash>(nth: u32, search: &mut Search) -> c_long {
    let offset = nth.wrapping_add(search.start).checked_rem(search.table.len);
    let bucket = offset.and_then(|offset| bucket::<H>(&search.table, offset));
    match bucket.and_then(|bucket| usable_at(&search.table, bucket)) {
        Some(index) => {
            search.found = index;
            STOP
        }
        None => CONTINUE,
    }
}

#[inline(always)]
fn bucket<H: Hash>(table: &Table, offset: u32) -> Option<u32> {
    H::hash(table.client, offset).checked_rem(table.len)
}

#[inline(always)]
fn usable_at(table: &Table, bucket: u32) -> Option<u32> {
    let slot = maps::slot(table.first_at + bucket)?;
    let (index, weight) = (slot as u32, slot >> 32);
    (weight != 0 && !maps::destination_at(index)?.is_overloaded()).then_some(index)
}
