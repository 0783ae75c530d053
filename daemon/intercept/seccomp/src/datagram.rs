//! Divides a datagram into messages for IPVS and others, and builds the datagram that replaces
//! those for IPVS.
//!
//! A datagram is divided like in the kernel (`netlink_rcv_skb`); an invalid tail is ignored, as in
//! the kernel.

use std::ops::Range;

use super::FAMILY_ID;

const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
/// The generic netlink controller, and its command and attributes that are used here.
const CONTROLLER: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const ATTRIBUTE_FAMILY_ID: u16 = 1;
const ATTRIBUTE_FAMILY_NAME: u16 = 2;
/// An attribute's type without its flags (`NLA_TYPE_MASK`).
const TYPE_MASK: u16 = 0x3fff;
/// `NLM_F_…`
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const DUMP: u16 = 0x300;

/// A sequence of messages, as a range of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// For IPVS.
    Ours(Range<usize>),
    /// For the kernel.
    Foreign(Range<usize>),
}

/// One message, with its padding.
struct Message<'a> {
    bytes: &'a [u8],
    /// The length without the padding.
    length: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_ne_bytes)
}

fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// All messages, in order.
fn messages(mut rest: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(rest, 0)?).ok()?;
        if length < HEADER || length > rest.len() {
            return None;
        }
        let (bytes, next) = rest
            .split_at_checked(aligned(length))
            .unwrap_or((rest, &[]));
        rest = next;
        Some(Message { bytes, length })
    })
}

impl Message<'_> {
    fn kind(&self) -> u16 {
        u16_at(self.bytes, 4).unwrap_or(0)
    }

    fn flags(&self) -> u16 {
        u16_at(self.bytes, 6).unwrap_or(0)
    }

    fn command(&self) -> Option<u8> {
        self.bytes.get(..self.length)?.get(HEADER).copied()
    }

    fn is_ours(&self) -> bool {
        self.flags() & REQUEST != 0
            && match self.kind() {
                FAMILY_ID => true,
                CONTROLLER => self.asks_for_us(),
                _ => false,
            }
    }

    /// Whether it asks the controller for our family. If a request has both a name and an id, the
    /// name takes precedence, as in the kernel; of several equal attributes, the last one counts.
    fn asks_for_us(&self) -> bool {
        if self.command() != Some(GET_FAMILY) || self.flags() & DUMP == DUMP {
            return false;
        }
        let (mut name, mut id) = (None, None);
        let mut rest = self
            .bytes
            .get(HEADER + GENERIC_HEADER..self.length)
            .unwrap_or_default();
        while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            let length = usize::from(length);
            let Some(payload) = rest.get(4..length) else {
                break;
            };
            match kind & TYPE_MASK {
                ATTRIBUTE_FAMILY_NAME => name = payload.split(|byte| *byte == 0).next(),
                ATTRIBUTE_FAMILY_ID => id = u16_at(payload, 0),
                _ => {}
            }
            rest = rest.get(aligned(length)..).unwrap_or_default();
        }
        name.map_or(id == Some(FAMILY_ID), |name| name == b"IPVS")
    }

    fn mark(&self) -> Mark {
        Mark {
            flags: self.flags(),
            sequence: u32_at(self.bytes, 8).unwrap_or(0),
            port: u32_at(self.bytes, 12).unwrap_or(0),
        }
    }
}

/// Divides a datagram into sequences.
pub(super) fn split(bytes: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut start = 0;
    for message in messages(bytes) {
        let end = start + message.bytes.len();
        match (parts.last_mut(), message.is_ours()) {
            (Some(Part::Ours(run)), true) | (Some(Part::Foreign(run)), false) => run.end = end,
            (_, true) => parts.push(Part::Ours(start..end)),
            (_, false) => parts.push(Part::Foreign(start..end)),
        }
        start = end;
    }
    parts
}

/// The part of a request of ours that is needed to have it refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    flags: u16,
    sequence: u32,
    port: u32,
}

/// The marks of all messages.
pub(super) fn marks(bytes: &[u8]) -> Vec<Mark> {
    messages(bytes).map(|message| message.mark()).collect()
}

/// The message whose replies may still be pending after all were taken: the last dump, or without
/// one the last message.
pub(super) fn longest_lasting(marks: &[Mark]) -> &[Mark] {
    let at = marks.iter().rposition(|mark| mark.flags & DUMP == DUMP);
    let at = at.unwrap_or(marks.len().saturating_sub(1));
    marks
        .get(at..)
        .and_then(|rest| rest.get(..1))
        .unwrap_or_default()
}

/// A datagram that makes the kernel refuse each of these requests with ENOENT, like requests for an
/// unknown family: it asks for our id, which no kernel family has. Asking for the name would make
/// the kernel load its own IPVS.
pub(super) fn substitutes(marks: &[Mark]) -> Vec<u8> {
    /// Length of an attribute with a u16; size of both headers, the attribute, and its padding.
    const ATTRIBUTE: u16 = 6;
    const LENGTH: u32 = 16 + 4 + 8;
    let mut datagram = Vec::new();
    for mark in marks {
        datagram.extend(LENGTH.to_ne_bytes());
        datagram.extend(CONTROLLER.to_ne_bytes());
        datagram.extend((REQUEST | (mark.flags & ACKNOWLEDGE)).to_ne_bytes());
        datagram.extend(mark.sequence.to_ne_bytes());
        datagram.extend(mark.port.to_ne_bytes());
        datagram.extend([GET_FAMILY, 1, 0, 0]);
        datagram.extend(ATTRIBUTE.to_ne_bytes());
        datagram.extend(ATTRIBUTE_FAMILY_ID.to_ne_bytes());
        datagram.extend(FAMILY_ID.to_ne_bytes());
        datagram.extend([0, 0]);
    }
    datagram
}

/// A command that neither the kernel nor the daemon has.
const PROBE: u8 = 0xff;

/// A datagram that only our supervisor answers, and that has no effect elsewhere.
pub(super) fn probe() -> Vec<u8> {
    let mut datagram = Vec::with_capacity(HEADER + GENERIC_HEADER);
    datagram.extend(20_u32.to_ne_bytes());
    datagram.extend(FAMILY_ID.to_ne_bytes());
    datagram.extend(REQUEST.to_ne_bytes());
    datagram.extend([0; 8]);
    datagram.extend([PROBE, 0, 0, 0]);
    datagram
}

/// Whether a datagram is that of [`probe`].
pub(super) fn is_probe(bytes: &[u8]) -> bool {
    bytes == probe()
}
