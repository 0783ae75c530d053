//! Choosing a server for a connection.
//!
//! What is chosen from was laid out by the daemon (`sockvs-ebpf-common`, `Selection`); here it is
//! followed. `sequence` takes turns, `compare` looks at each server, `drawn` at two of them,
//! `hashed` goes by the client, `locality` stays where it is.

mod compare;
mod drawn;
mod hashed;
mod locality;
mod sequence;

use core::{
    ffi::{c_long, c_void},
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::helpers::bpf_loop;
use sockvs_ebpf_common::{Destination, Selection, SelectionKind, Service};

use crate::{
    address::{Client, Endpoint},
    table,
};

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

/// Choosing, from one try to the next.
#[repr(C)]
struct Try {
    service: *mut Service,
    client: Client,
    index: u32,
    zero: u32,
}

/// Chooses a server, or none if no destination of the service can be used.
#[inline(always)]
pub(crate) fn choose(service: *mut Service, client: &Client) -> Option<Choice> {
    let mut attempt = Try {
        service,
        client: *client,
        index: NOBODY,
        zero: 0,
    };
    let choose: unsafe extern "C" fn(u32, *mut Try) -> c_long = choose_unless_edited;
    // SAFETY: the helper calls the function with `attempt`, at most as often as it is told.
    unsafe {
        bpf_loop(
            TRIES,
            choose as *mut c_void,
            addr_of_mut!(attempt).cast(),
            0,
        )
    };
    // The record is still this destination's, if it was deleted just now: the daemon uses no record
    // again for a while.
    chosen(attempt.index)
}

/// Chooses, and stops unless the service was edited meanwhile.
///
/// # Safety
///
/// `attempt` points to one that nobody else looks at.
unsafe extern "C" fn choose_unless_edited(_nth: u32, attempt: *mut Try) -> c_long {
    // SAFETY: as the caller promises.
    let attempt = unsafe { &mut *attempt };
    let before = generation(attempt.service);
    let index = choose_once(attempt.service, before, &attempt.client);
    if generation(attempt.service) == before {
        attempt.index = index;
        return STOP;
    }
    GO_ON
}

#[inline(always)]
fn generation(service: *mut Service) -> u64 {
    // SAFETY: chunks are never freed, and the word is read whole.
    unsafe { addr_of!((*service).generation).read_volatile() }
}

/// The index of the server's record. (Not an `Option`: the verifier wants all of a value to be
/// written that the compiler may carry along, whether it is looked at or not.)
#[inline(always)]
fn choose_once(service: *mut Service, generation: u64, client: &Client) -> u32 {
    // SAFETY: both selections are within the record.
    let selections = unsafe { addr_of_mut!((*service).selections) }.cast::<Selection>();
    // SAFETY: the index is zero or one.
    let at = unsafe { selections.add((generation & 1) as usize) };
    // SAFETY: chunks are never freed. The fields may be changing under a slow reader; the caller
    // compares generations before it uses what comes of them.
    let selection = unsafe { at.read_volatile() };
    if selection.period == 0 || selection.first_len == 0 {
        return NOBODY;
    }
    const SEQUENCE: u32 = SelectionKind::Sequence as u32;
    const TWO_CHOICES: u32 = SelectionKind::TwoChoices as u32;
    const SOURCE_HASH: u32 = SelectionKind::SourceHash as u32;
    const MAGLEV: u32 = SelectionKind::Maglev as u32;
    const LOCALITY: u32 = SelectionKind::Locality as u32;
    let index = match selection.kind {
        // SAFETY: the field is within the record.
        SEQUENCE => sequence::next(&selection, unsafe { addr_of_mut!((*at).cursor) }),
        TWO_CHOICES => drawn::find(&selection),
        // SAFETY: the field is within the record.
        LOCALITY.. => locality::find(&selection, unsafe { addr_of_mut!((*at).cursor) }),
        SOURCE_HASH | MAGLEV => hashed::find(&selection, client),
        _ => compare::find(&selection),
    };
    index.unwrap_or(NOBODY)
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
