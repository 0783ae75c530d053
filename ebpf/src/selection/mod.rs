//! Choosing a server for a connection.
//!
//! What is chosen from was laid out by the daemon (`sockvs-ebpf-common`, `Selection`); here it is
//! followed. `sequence` takes turns, `compare` looks at each server.

mod compare;
mod sequence;

use core::{
    ffi::c_long,
    ptr::{addr_of, addr_of_mut},
};

use sockvs_ebpf_common::{Destination, Selection, SelectionKind, Service};

use crate::{address::Endpoint, table};

/// How often a choice is made again because the service was edited meanwhile. An edit takes longer
/// than a choice, so that even the second try is rarely seen.
const TRIES: u32 = 8;

/// What a turn of `bpf_loop` says.
const GO_ON: c_long = 0;
const STOP: c_long = 1;
/// No server: no record has this index.
const NOBODY: u32 = u32::MAX;

/// A chosen server.
pub(crate) struct Choice {
    /// The index of the destination's record.
    pub(crate) destination: u32,
    /// `AF_INET` or `AF_INET6`.
    pub(crate) family: u8,
    /// The server's address and port; port zero means the port that was asked for.
    pub(crate) server: Endpoint,
}

/// Chooses a server, or none if no destination of the service can be used.
#[inline(always)]
pub(crate) fn choose(service: *mut Service) -> Option<Choice> {
    for _ in 0..TRIES {
        let before = generation(service);
        let choice = choose_once(service, before);
        if generation(service) == before {
            return choice;
        }
    }
    None
}

#[inline(always)]
fn generation(service: *mut Service) -> u64 {
    // SAFETY: chunks are never freed, and the word is read whole.
    unsafe { addr_of!((*service).generation).read_volatile() }
}

#[inline(always)]
fn choose_once(service: *mut Service, generation: u64) -> Option<Choice> {
    // SAFETY: both selections are within the record.
    let selections = unsafe { addr_of_mut!((*service).selections) }.cast::<Selection>();
    // SAFETY: the index is zero or one.
    let at = unsafe { selections.add((generation & 1) as usize) };
    // SAFETY: chunks are never freed. The fields may be changing under a slow reader; the caller
    // compares generations before it uses what comes of them.
    let selection = unsafe { at.read_volatile() };
    if selection.period == 0 || selection.first_len == 0 {
        return None;
    }
    let index = if selection.kind == SelectionKind::Sequence as u32 {
        // SAFETY: the field is within the record.
        sequence::next(&selection, unsafe { addr_of_mut!((*at).cursor) })?
    } else {
        compare::find(&selection)?
    };
    chosen(index)
}

#[inline(always)]
fn chosen(index: u32) -> Option<Choice> {
    let destination = table::destination(index)?;
    // SAFETY: chunks are never freed; address, port and family do not change while the service's
    // generation stays what it was.
    let address = unsafe { addr_of!((*destination).address).read_volatile() };
    // SAFETY: as above.
    let port = unsafe { addr_of!((*destination).port).read_volatile() };
    // SAFETY: as above.
    let family = unsafe { addr_of!((*destination).family).read_volatile() };
    Some(Choice {
        destination: index,
        family,
        server: Endpoint { address, port },
    })
}

/// Whether a destination has as many connections as it may have.
#[inline(always)]
fn is_overloaded(destination: *mut Destination) -> bool {
    // SAFETY: chunks are never freed, and the word is read whole.
    unsafe { addr_of!((*destination).overloaded).read_volatile() != 0 }
}

/// A destination's connections that are being made or are established.
#[inline(always)]
fn active(destination: *mut Destination) -> u64 {
    // SAFETY: as in `is_overloaded`.
    unsafe { addr_of!((*destination).active).read_volatile() }
}

/// All connections of a destination.
#[inline(always)]
fn total(destination: *mut Destination) -> u64 {
    // SAFETY: as in `is_overloaded`.
    unsafe { addr_of!((*destination).total).read_volatile() }
}
