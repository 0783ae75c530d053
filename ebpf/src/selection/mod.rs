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
    ffi::c_long,
    ptr::{addr_of, addr_of_mut},
};

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
pub(crate) const NOBODY: u32 = u32::MAX;
/// Not an index, but word that the service was edited while a server was chosen. RequestHeader for
/// an index it is `NOBODY`.
const EDITED: u64 = u64::MAX;

/// Zero, but the verifier does not know it: a constant that is added to it is none.
///
/// Until Linux 6.7 the verifier goes through the callback of a loop once, with what its caller has
/// put on the stack, and takes for dead what is not reached then, though it would be at a later
/// turn. So whatever a callback compares must come from a record.
#[inline(always)]
fn hidden_zero(at: *mut Selection) -> u32 {
    // SAFETY: a field of a record, which is never freed.
    unsafe { addr_of!((*at).zero).read_volatile() }
}

/// A chosen server.
pub(crate) struct Choice {
    /// `AF_INET` or `AF_INET6`.
    pub(crate) family: u8,
    /// The server's address and port; port zero means the port that was asked for.
    pub(crate) server: Endpoint,
    /// Which use of the record this is.
    pub(crate) use_number: u32,
}

/// Chooses a server: the index of its record, or `NOBODY` if no destination of the service can be
/// used.
#[inline(always)]
pub(crate) fn choose(service: *mut Service, client: &Client) -> u32 {
    let mut index = EDITED;
    for _ in 0..TRIES {
        index = sockvs_choose(service, client.address, client.port.into());
        if index != EDITED {
            break;
        }
    }
    // The record is still this destination's, if it was deleted just now: the daemon uses no record
    // again for a while.
    index as u32
}

/// Chooses once: the index of the server's record, `NOBODY`, or `EDITED`.
///
/// This is a function of its own, known to the verifier by its types, so that the verifier goes
/// through all the ways of choosing once for each program and not once for each way that leads here
/// or on from here. For that it has to have a name, and numbers and pointers to records for
/// arguments.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_choose(service: *mut Service, client: u32, port: u32) -> u64 {
    // The verifier knows the pointer's type only, and asks for this.
    if service.is_null() {
        return NOBODY.into();
    }
    let client = Client {
        address: client,
        port: port as u16,
    };
    let before = generation(service);
    let index = choose_once(service, before, &client);
    if generation(service) == before {
        index.into()
    } else {
        EDITED
    }
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
        SEQUENCE => sequence::next(at, &selection),
        TWO_CHOICES => drawn::find(&selection),
        // SAFETY: the field is within the record.
        LOCALITY.. => locality::find(at, &selection, unsafe { addr_of_mut!((*at).cursor) }),
        SOURCE_HASH => hashed::find::<hashed::Source>(&selection, client),
        MAGLEV => hashed::find::<hashed::Maglev>(&selection, client),
        _ => compare::find(at, &selection),
    };
    index.unwrap_or(NOBODY)
}

/// The server of a record, if there is one.
#[inline(always)]
pub(crate) fn chosen(index: u32) -> Option<Choice> {
    Some(choice_of(table::destination(index)?))
}

/// A destination as a choice.
#[inline(always)]
pub(crate) fn choice_of(destination: *mut Destination) -> Choice {
    // SAFETY: chunks are never freed; address, port and family do not change while the service's
    // generation stays what it was.
    let address = unsafe { addr_of!((*destination).address).read_volatile() };
    // SAFETY: as above.
    let port = unsafe { addr_of!((*destination).port).read_volatile() };
    // SAFETY: as above.
    let family = unsafe { addr_of!((*destination).family).read_volatile() };
    Choice {
        family,
        server: Endpoint { address, port },
        use_number: table::destination_use(destination),
    }
}

/// A destination's weight.
#[inline(always)]
pub(crate) fn weight(destination: *mut Destination) -> i32 {
    // SAFETY: chunks are never freed, and the word is read whole.
    unsafe { addr_of!((*destination).weight).read_volatile() }
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
