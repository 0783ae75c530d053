//! One netlink message of a datagram, delimited like the kernel does (`netlink_rcv_skb`).
//!
//! Only the two headers are parsed here.

/// The length of `struct nlmsghdr`.
pub(super) const NLMSG_HDRLEN: usize = 16;
/// The length of `struct genlmsghdr`.
pub(super) const GENL_HDRLEN: usize = 4;
/// Message types below this are netlink's own (`NLMSG_MIN_TYPE`).
const NLMSG_MIN_TYPE: u16 = 0x10;

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 0x1;
/// The sender requests an acknowledgement of success, too (`NLM_F_ACK`).
const ACK: u16 = 0x4;
/// The reply is also sent to listeners of the multicast group (`NLM_F_ECHO`).
const ECHO: u16 = 0x8;
/// The sender requests a dump (`NLM_F_DUMP`).
const DUMP: u16 = 0x300;

/// A message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    /// The message, headers included.
    pub(super) bytes: &'a [u8],
    /// `nlmsg_type`.
    pub(super) kind: u16,
    /// `nlmsg_flags`.
    pub(super) flags: u16,
    /// `nlmsg_seq`.
    pub(super) sequence: u32,
}

impl<'a> Message<'a> {
    /// Takes the first message off a datagram. `None` at its end, and also if the rest is not a
    /// message: like the kernel, this ignores the rest without an error.
    pub(super) fn next(datagram: &mut &'a [u8]) -> Option<Self> {
        let header = datagram.first_chunk::<NLMSG_HDRLEN>()?;
        let [l0, l1, l2, l3, t0, t1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        if len < NLMSG_HDRLEN {
            return None;
        }
        let bytes = datagram.get(..len)?;
        *datagram = datagram.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Self {
            bytes,
            kind: u16::from_ne_bytes([t0, t1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
        })
    }

    /// Whether it is a request, or a control message of netlink, which is only acknowledged.
    pub(super) fn is_request(&self) -> bool {
        self.flags & REQUEST != 0 && self.kind >= NLMSG_MIN_TYPE
    }

    /// Whether the sender requests an acknowledgement of success.
    pub(super) fn wants_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    /// Whether the sender requests a dump.
    pub(super) fn wants_dump(&self) -> bool {
        self.flags & DUMP == DUMP
    }

    /// Whether it has flags that commands added since 2022 must not have (`genl_header_check`).
    pub(super) fn has_reserved_flags(&self) -> bool {
        let dump = if self.wants_dump() { DUMP } else { 0 };
        self.flags & !(REQUEST | ACK | ECHO | dump) != 0
    }

    /// The generic netlink header's command and reserved bits, and the attributes.
    pub(super) fn generic(&self) -> Option<Generic<'a>> {
        let payload = self.bytes.get(NLMSG_HDRLEN..)?;
        let [command, _version, r0, r1] = *payload.first_chunk::<GENL_HDRLEN>()?;
        Some(Generic {
            command,
            reserved: u16::from_ne_bytes([r0, r1]),
            attributes: payload.get(GENL_HDRLEN..)?,
        })
    }
}

/// The generic netlink part of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Generic<'a> {
    /// The command.
    pub(super) command: u8,
    /// Bits that should be zero.
    pub(super) reserved: u16,
    /// The attributes.
    pub(super) attributes: &'a [u8],
}

/// Where a message's attributes start.
pub(super) const ATTRIBUTES_AT: usize = NLMSG_HDRLEN + GENL_HDRLEN;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: u32, kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(5_u16.to_ne_bytes());
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn several_messages_of_one_datagram_are_found() {
        let mut datagram = message(18, 30, &[1, 2, 0, 0]);
        datagram.extend(message(16, 31, &[]));
        let mut rest = datagram.as_slice();
        let first = Message::next(&mut rest).unwrap();
        assert_eq!((first.kind, first.sequence, first.bytes.len()), (30, 7, 18));
        assert_eq!(Message::next(&mut rest).unwrap().kind, 31);
        assert!(Message::next(&mut rest).is_none());
    }

    #[test]
    fn invalid_data_ends_the_datagram() {
        for datagram in [
            message(15, 30, &[]),
            message(17, 30, &[]),
            message(16, 30, &[])[..15].into(),
        ] {
            assert!(
                Message::next(&mut datagram.as_slice()).is_none(),
                "{datagram:?}"
            );
        }
    }

    #[test]
    fn a_message_without_generic_header_has_none() {
        let datagram = message(19, 30, &[1, 2, 3, 4]);
        assert!(
            Message::next(&mut datagram.as_slice())
                .unwrap()
                .generic()
                .is_none()
        );
    }
}
