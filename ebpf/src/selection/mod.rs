//! Choosing a destination for a connection, by the service's scheduler.
//!
//! The daemon writes what is chosen from (`sockvs_ebpf_common::Selection`); it is evaluated here.
//! `sequence` goes round (`rr`, `wrr`), `compare` reads each server's load, `drawn` that of two,
//! `hashed` goes by the client's address, `locality` stays with a server. Persistence is no part of
//! this.

mod compare;
mod drawn;
mod hashed;
mod locality;
mod repeat;
mod sequence;

use sockvs_ebpf_common::{SelectionKind, Service};

use crate::{address::Client, records::ServiceRef};

pub(crate) use repeat::NO_DESTINATION;

/// How often a choice is made again because the service was edited meanwhile. An edit takes longer
/// than a choice, so that even a second try is rare.
const TRIES: u32 = 8;

/// Not an index: the service was edited while a server was chosen. Truncated to an index it is
/// `NO_DESTINATION`.
const RACED: u64 = u64::MAX;

/// Chooses a server: the index of its record, or `NO_DESTINATION` if no destination of the service
/// is usable.
#[inline(always)]
pub(crate) fn choose(service: ServiceRef, client: &Client) -> u32 {
    let mut index = RACED;
    for _ in 0..TRIES {
        index = sockvs_choose(service.as_ptr(), client.address, client.port.into());
        if index != RACED {
            break;
        }
    }
    // The record still is this destination's, even if it was deleted just now: the daemon reuses no
    // record for a while.
    index as u32
}

/// Chooses once: the index of the server's record, `NO_DESTINATION`, or `RACED`.
///
/// A global function: the verifier checks it by itself, by the types of its arguments, once for
/// each program and not once for each path that leads here or on from here. Hence the name, and the
/// numbers and pointers to records as arguments.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_choose(service: *mut Service, client: u32, port: u32) -> u64 {
    // SAFETY: the caller passes what `as_ptr` returned.
    let Some(service) = (unsafe { ServiceRef::from_argument(service) }) else {
        return NO_DESTINATION.into();
    };
    let client = Client {
        address: client,
        port: port as u16,
    };
    let before = service.generation();
    let index = choose_once(service, before, &client);
    if service.generation() == before {
        index.into()
    } else {
        RACED
    }
}

/// The index of the server's record. (Not an `Option`: the verifier rejects the uninitialised part
/// that the compiler may pass along.)
#[inline(always)]
fn choose_once(service: ServiceRef, generation: u64, client: &Client) -> u32 {
    let at = service.selection(generation);
    // The daemon may be changing it; the caller compares generations before it uses the result.
    let selection = at.read();
    if selection.period == 0 || selection.first_len == 0 {
        return NO_DESTINATION;
    }
    const SEQUENCE: u32 = SelectionKind::Sequence as u32;
    const TWO_CHOICES: u32 = SelectionKind::TwoChoices as u32;
    const SOURCE_HASH: u32 = SelectionKind::SourceHash as u32;
    const MAGLEV: u32 = SelectionKind::Maglev as u32;
    const LOCALITY: u32 = SelectionKind::Locality as u32;
    let index = match selection.kind {
        SEQUENCE => sequence::next(at, &selection),
        TWO_CHOICES => drawn::find(&selection),
        LOCALITY.. => locality::find(at, &selection),
        SOURCE_HASH => hashed::find::<hashed::Source>(&selection, client),
        MAGLEV => hashed::find::<hashed::Maglev>(&selection, client),
        _ => compare::find(at, &selection),
    };
    index.unwrap_or(NO_DESTINATION)
}
