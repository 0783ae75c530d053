//! A datagram with its sender, as the hook writes it to the ring buffer.

use std::mem::offset_of;

use sockvs_ebpf_common::netlink::{
    REQUEST_CAP_ACK, REQUEST_EXT_ACK, REQUEST_NET_ADMIN, RequestHeader,
};

use sockvs_server::genl::Sender;

use super::Request;

const HEADER: usize = size_of::<RequestHeader>();
const NLMSG_HDRLEN: usize = 16;

/// A record with only the header of the datagram's first message, which is enough to answer it with
/// an error.
pub(super) type Abridged = [u8; HEADER + NLMSG_HDRLEN];

/// A record of zeros.
pub(super) const BLANK: Abridged = [0; HEADER + NLMSG_HDRLEN];

/// The beginning of a record; `None` if it is too short.
pub(super) fn abridge(record: &[u8]) -> Option<Abridged> {
    let mut abridged: Abridged = *record.first_chunk()?;
    let length = u32::try_from(NLMSG_HDRLEN).ok()?.to_ne_bytes();
    let at = offset_of!(RequestHeader, length);
    abridged
        .get_mut(at..at + length.len())?
        .copy_from_slice(&length);
    Some(abridged)
}

/// When the request in a record arrived.
pub(super) fn arrived(record: &Abridged) -> u64 {
    decode(record).map_or(u64::MAX, |(request, _)| request.arrived)
}

/// Decodes a record. `None` if the hook did not write it.
pub(super) fn decode(record: &[u8]) -> Option<(Request, &[u8])> {
    let (header, rest) = record.split_first_chunk::<HEADER>()?;
    // SAFETY: there are enough bytes, and all values of them are valid: the fields are integers.
    let taken = unsafe { header.as_ptr().cast::<RequestHeader>().read_unaligned() };
    let datagram = rest.get(..usize::try_from(taken.length).ok()?)?;
    let has = |flag| taken.flags & flag != 0;
    let request = Request {
        namespace: taken.netns,
        sender: Sender {
            port: taken.port,
            pid: i32::try_from(taken.tgid).ok()?,
            net_admin: has(REQUEST_NET_ADMIN),
            cap_ack: has(REQUEST_CAP_ACK),
            ext_ack: has(REQUEST_EXT_ACK),
        },
        thread: i32::try_from(taken.tid).ok()?,
        arrived: taken.arrived,
    };
    Some((request, datagram))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: u32, flags: u32, rest: &[u8]) -> Vec<u8> {
        let mut bytes = 7_u64.to_ne_bytes().to_vec();
        for word in [40, 41, 42, length, flags, 0] {
            bytes.extend(u32::to_ne_bytes(word));
        }
        bytes.extend(43_u64.to_ne_bytes());
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn a_record_has_the_sender_and_the_datagram() {
        let bytes = record(
            3,
            REQUEST_NET_ADMIN | REQUEST_EXT_ACK,
            b"abc and what was there before",
        );
        let (request, datagram) = decode(&bytes).unwrap();
        assert_eq!(datagram, b"abc");
        assert_eq!((request.namespace, request.sender.port), (7, 40));
        assert_eq!((request.sender.pid, request.thread), (41, 42));
        assert_eq!(request.arrived, 43);
        assert!(request.sender.net_admin && request.sender.ext_ack && !request.sender.cap_ack);
    }

    #[test]
    fn an_abridged_record_keeps_the_first_message_header() {
        let bytes = record(20, 0, b"a header of sixteen!");
        let abridged = abridge(&bytes).unwrap();
        let (request, datagram) = decode(&abridged).unwrap();
        assert_eq!(
            (request.sender.port, datagram),
            (40, &b"a header of sixt"[..])
        );
        assert_eq!(arrived(&abridged), 43);
        assert!(abridge(&bytes[..50]).is_none());
    }

    #[test]
    fn truncated_records_are_refused() {
        for bytes in [
            record(3, 0, b"ab"),
            record(u32::MAX, 0, b"ab"),
            record(0, 0, b"")[..39].into(),
        ] {
            assert!(decode(&bytes).is_none(), "{bytes:?}");
        }
        assert!(decode(&record(0, 0, b"")).is_some_and(|(_, datagram)| datagram.is_empty()));
    }
}
