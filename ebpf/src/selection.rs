//! Choosing a server: the next place in a service's sequence.

use core::{
    intrinsics::{AtomicOrdering, atomic_xadd},
    ptr::{addr_of, addr_of_mut},
};

use sockvs_ebpf_common::{Segment, Selection, Service};

use crate::{address::Endpoint, table};

/// How often a choice is made again because the service was edited meanwhile. An edit takes longer
/// than a choice, so that even the second try is rarely seen.
const TRIES: u32 = 8;
/// Halvings that find a segment among all there can be.
const HALVINGS: u32 = 24;

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
    let selection = unsafe { addr_of_mut!((*service).selections) }.cast::<Selection>();
    // SAFETY: the index is zero or one.
    let selection = unsafe { selection.add((generation & 1) as usize) };
    // SAFETY: chunks are never freed. The fields may be changing under a slow reader; the caller
    // compares generations before it uses what comes of them.
    let Selection {
        period,
        segments_at,
        segments,
        first_at,
        first_len,
        ..
    } = unsafe { selection.read_volatile() };
    if period == 0 || first_len == 0 {
        return None;
    }
    // SAFETY: the field is within the record.
    let place = add_one(unsafe { addr_of_mut!((*selection).cursor) }) % period;
    let index = if segments <= 1 {
        u64::from(first_at) + place % u64::from(first_len)
    } else {
        let segment = segment_at(segments_at, segments, place)?;
        if segment.len == 0 {
            return None;
        }
        u64::from(segment.at) + (place - segment.first) % u64::from(segment.len)
    };
    chosen(table::slot(index as u32)? as u32)
}

/// The last segment that starts at or before `place`.
#[inline(always)]
fn segment_at(at: u32, segments: u32, place: u64) -> Option<Segment> {
    let mut low = 0;
    let mut high = segments;
    for _ in 0..HALVINGS {
        if high - low <= 1 {
            break;
        }
        let middle = low + (high - low) / 2;
        if table::slot(at + middle * Segment::WORDS)? <= place {
            low = middle;
        } else {
            high = middle;
        }
    }
    let at = at + low * Segment::WORDS;
    Some(Segment::from_words([
        table::slot(at)?,
        table::slot(at + 1)?,
    ]))
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

/// Counts a connection that goes to a server.
#[inline(always)]
pub(crate) fn count(service: *mut Service, choice: &Choice) {
    // SAFETY: the field is within the record.
    add_one(unsafe { addr_of_mut!((*service).conns) });
    if let Some(destination) = table::destination(choice.destination) {
        // SAFETY: as above.
        add_one(unsafe { addr_of_mut!((*destination).conns) });
    }
}

/// Adds one to a word that other processors change too; returns what it was.
///
/// The compiler has no atomic types with arithmetic for this target, but the instruction exists.
#[inline(always)]
fn add_one(word: *mut u64) -> u64 {
    // SAFETY: every caller passes an aligned word of a record, which is never freed, and which
    // programs only change this way.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::AcqRel }>(word, 1) }
}
