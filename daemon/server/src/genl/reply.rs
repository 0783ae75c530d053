//! The replies that do not depend on the family: errors, acknowledgements, the end of a dump
//! (`netlink_ack`, `netlink_dump_done` in `net/netlink/af_netlink.c`).

use netlink_packet_core::{NLA_F_NESTED, NLM_F_MULTIPART, NetlinkHeader};
use netlink_packet_generic::GenlHeader;
use netlink_packet_ipvs::{
    IpvsCommand, constants::IPVS_GENL_VERSION, policy::Rule, writer::Writer,
};

use super::{
    Client, FAMILY_ID,
    error::RequestError,
    message::{Message, NLMSG_HDRLEN},
};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The error omits the request (`NLM_F_CAPPED`).
const CAPPED: u16 = 0x100;
/// An explanation follows (`NLM_F_ACK_TLVS`).
const ACK_TLVS: u16 = 0x200;
const ATTR_MSG: u16 = 1;
const ATTR_OFFS: u16 = 2;
const ATTR_POLICY: u16 = 4 | NLA_F_NESTED;

/// The fields of a reply's header that come from the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyHeader {
    /// The client's port.
    pub(super) port: u32,
    /// The request's sequence number.
    pub(super) sequence: u32,
}

impl ReplyHeader {
    /// For a reply to this request.
    pub(super) fn new(client: &Client, message: &Message<'_>) -> Self {
        Self {
            port: client.sender.port,
            sequence: message.sequence,
        }
    }

    /// The header of such a reply; the writer fills in the length.
    pub(super) fn header(self, kind: u16, flags: u16) -> NetlinkHeader {
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        header.flags = flags;
        header.sequence_number = self.sequence;
        header.port_number = self.port;
        header
    }

    /// Sets the sequence number and port in an encoded message.
    pub(super) fn address(self, message: &mut [u8]) {
        let header = [self.sequence.to_ne_bytes(), self.port.to_ne_bytes()];
        // `nlmsg_seq` and `nlmsg_pid` are the last fields of the header.
        if let Some(place) = message.get_mut(NLMSG_HDRLEN - 8..NLMSG_HDRLEN) {
            place.copy_from_slice(header.as_flattened());
        }
    }

    /// Writes a message of the family.
    pub(super) fn write(
        self,
        buffer: &mut Vec<u8>,
        command: IpvsCommand,
        multi: bool,
        body: impl FnOnce(&mut Writer<'_>),
    ) {
        let flags = if multi { NLM_F_MULTIPART } else { 0 };
        let genl = GenlHeader {
            cmd: command.into(),
            version: IPVS_GENL_VERSION,
        };
        Writer::new(buffer).message(self.header(FAMILY_ID, flags), genl, body);
    }

    /// The end of a dump, with the kernel's message about the request.
    pub(super) fn done(self, text: Option<&'static str>) -> Vec<u8> {
        let mut explanation = Vec::new();
        if let Some(text) = text {
            Writer::new(&mut explanation).put_string(ATTR_MSG, text.as_bytes());
        }
        let flags = text.map_or(0, |_| ACK_TLVS) | NLM_F_MULTIPART;
        let mut bytes = self.raw_header(NLMSG_DONE, flags, 4 + explanation.len());
        bytes.extend(0_i32.to_ne_bytes());
        bytes.extend(explanation);
        bytes
    }

    fn raw_header(self, kind: u16, flags: u16, payload: usize) -> Vec<u8> {
        let len = u32::try_from(NLMSG_HDRLEN + payload).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(NLMSG_HDRLEN + payload);
        bytes.extend(len.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        bytes.extend(self.port.to_ne_bytes());
        bytes
    }
}

/// The acknowledgement of a request that succeeded, or its error. `warning` is the kernel's message
/// about a request that succeeded nevertheless.
pub(super) fn acknowledge(
    client: &Client,
    message: &Message<'_>,
    error: Option<&RequestError>,
    warning: Option<&'static str>,
) -> Vec<u8> {
    let errno = error.map_or(0, |error| error.errno);
    let capped = errno == 0 || client.sender.cap_ack;
    let repeated = if capped {
        message.bytes.get(..NLMSG_HDRLEN)
    } else {
        Some(message.bytes)
    };
    let repeated = repeated.unwrap_or_default();

    let mut explanation = Vec::new();
    if client.sender.ext_ack {
        let mut writer = Writer::new(&mut explanation);
        if let Some(text) = error.map_or(warning, |error| error.text) {
            writer.put_string(ATTR_MSG, text.as_bytes());
        }
        if let Some(offset) = error.and_then(|error| error.offset) {
            writer.put_u32(ATTR_OFFS, offset);
        }
        if let Some(rule) = error.and_then(|error| error.rule) {
            put_rule(&mut writer, rule);
        }
    }
    let mut flags = 0;
    if capped {
        flags |= CAPPED;
    }
    if !explanation.is_empty() {
        flags |= ACK_TLVS;
    }
    // The padding of the repeated message is included even if no attribute follows.
    let payload = 4 + repeated.len().next_multiple_of(4) + explanation.len();
    let mut bytes = ReplyHeader::new(client, message).raw_header(NLMSG_ERROR, flags, payload);
    bytes.extend((-errno).to_ne_bytes());
    bytes.extend(repeated);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(explanation);
    bytes
}

/// Writes the policy of an attribute (`netlink_policy_dump_write_attr`).
fn put_rule(writer: &mut Writer<'_>, rule: Rule) {
    const TYPE: u16 = 1;
    const MIN_VALUE: u16 = 4;
    const MAX_VALUE: u16 = 5;
    const MAX_LENGTH: u16 = 7;
    // `enum netlink_attribute_type`
    const U8: u32 = 2;
    const U16: u32 = 3;
    const U32: u32 = 4;
    const BINARY: u32 = 10;
    const NUL_STRING: u32 = 12;
    const NESTED: u32 = 13;
    let number = |writer: &mut Writer<'_>, kind, most: u64| {
        writer.put_u64(MIN_VALUE, 0);
        writer.put_u64(MAX_VALUE, most);
        kind
    };
    if matches!(rule, Rule::Unspec(_)) {
        return;
    }
    writer.nest(ATTR_POLICY, |writer| {
        let kind = match rule {
            Rule::U8 => number(writer, U8, u8::MAX.into()),
            Rule::U16 => number(writer, U16, u16::MAX.into()),
            Rule::U32 => number(writer, U32, u32::MAX.into()),
            Rule::NulString(most) => {
                writer.put_u32(MAX_LENGTH, most.into());
                NUL_STRING
            }
            Rule::Binary(most) => {
                writer.put_u32(MAX_LENGTH, most.into());
                BINARY
            }
            Rule::Nested | Rule::Unspec(_) => NESTED,
        };
        writer.put_u32(TYPE, kind);
    });
}
