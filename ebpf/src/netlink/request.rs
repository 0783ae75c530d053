//! What is intercepted: a request to the family, or one that asks the controller for it.
//!
//! A datagram may hold several messages. The first one to the family or to the controller decides
//! for all of them: the datagram goes to the daemon or to the kernel whole, and either answers the
//! other's messages as if there were no such family. No client mixes them. Messages without
//! `NLM_F_REQUEST` are not intercepted (the kernel ignores them, the daemon's answers are such),
//! nor are requests for the list of all families.

use crate::kernel::{Skb, probe, setting};

/// How many messages of a datagram are read. Later ones go to the kernel.
const MESSAGES: u32 = 64;
/// How many attributes of a request to the controller are read; there are two.
const ATTRIBUTES: u32 = 8;

const NLMSG_HDRLEN: u32 = 16;
const GENL_HDRLEN: u32 = 4;
const NLA_HDRLEN: u32 = 4;
/// The attribute's number without its flags (`NLA_TYPE_MASK`).
const NLA_TYPE: u16 = 0x3fff;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;

/// The controller's number (`GENL_ID_CTRL`).
const CONTROLLER: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// The two headers, `struct nlmsghdr` and `struct genlmsghdr`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Headers {
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    command: u8,
    version: u8,
    reserved: u16,
}

/// `struct nlattr` and the beginning of its contents.
#[repr(C)]
#[derive(Clone, Copy)]
struct Attribute {
    length: u16,
    kind: u16,
    contents: [u8; 8],
}

/// Whether the datagram is intercepted. Its first message to the family or to the controller
/// decides.
#[inline(always)]
pub(crate) fn is_intercepted(skb: &Skb) -> bool {
    let data = skb.data();
    let Some((at, headers)) = first_relevant(data, skb.len()) else {
        return false;
    };
    if headers.kind != CONTROLLER {
        return true;
    }
    headers.length >= NLMSG_HDRLEN + GENL_HDRLEN
        && headers.command == CTRL_CMD_GETFAMILY
        && headers.flags & NLM_F_DUMP != NLM_F_DUMP
        && asks_for_family(data, at + NLMSG_HDRLEN + GENL_HDRLEN, at + headers.length)
}

/// The first message to the family or to the controller, and where it is.
#[inline(always)]
fn first_relevant(data: *const u8, end: u32) -> Option<(u32, Headers)> {
    let family = setting!(family);
    let mut at = 0_u32;
    for _ in 0..MESSAGES {
        // Cannot overflow: a datagram is far shorter than 4 GiB, and `at` is at most 3 past its
        // end.
        if at + NLMSG_HDRLEN > end {
            return None;
        }
        // The last message may end before the second header does. There is room behind it: the
        // buffer goes on with the kernel's own data, and what is read of that is not used.
        let headers = probe::<Headers>(data, at as usize)?;
        let length = headers.length;
        if length < NLMSG_HDRLEN || length > end - at {
            return None;
        }
        let kind = headers.kind;
        if headers.flags & NLM_F_REQUEST != 0 && (u32::from(kind) == family || kind == CONTROLLER) {
            return Some((at, headers));
        }
        at += (length + 3) & !3;
    }
    None
}

/// Whether the attributes between two offsets ask for the family, by name or by number. The name
/// decides where both are given, and of several the last, as in the kernel.
#[inline(always)]
fn asks_for_family(data: *const u8, from: u32, end: u32) -> bool {
    let (mut name, mut number) = (None, false);
    let mut at = from;
    for _ in 0..ATTRIBUTES {
        if at + NLA_HDRLEN > end {
            break;
        }
        // May read past the message's end, as above.
        let Some(attribute) = probe::<Attribute>(data, at as usize) else {
            break;
        };
        let length = u32::from(attribute.length);
        if length < NLA_HDRLEN || length > end - at {
            break;
        }
        let [a, b, ..] = attribute.contents;
        match attribute.kind & NLA_TYPE {
            CTRL_ATTR_FAMILY_NAME => name = Some(is_family_name(&attribute, length - NLA_HDRLEN)),
            CTRL_ATTR_FAMILY_ID => {
                number = length >= NLA_HDRLEN + 2
                    && u32::from(u16::from_ne_bytes([a, b])) == setting!(family);
            }
            _ => {}
        }
        at += (length + 3) & !3;
    }
    name.unwrap_or(number)
}

#[inline(always)]
fn is_family_name(attribute: &Attribute, length: u32) -> bool {
    // Without its final zero it is no name to the kernel, either.
    let [a, b, c, d, e, ..] = attribute.contents;
    length >= 5 && a == b'I' && b == b'P' && c == b'V' && d == b'S' && e == 0
}
