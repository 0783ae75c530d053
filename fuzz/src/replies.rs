//! What the replies to a datagram must look like, whatever it says.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_MULTIPART, NetlinkMessage, NetlinkPayload,
    NlasIterator,
};
use netlink_packet_generic::{GenlMessage, constants::GENL_ID_CTRL, ctrl::GenlCtrl};
use netlink_packet_ipvs::IpvsMessage;
use sockvs_server::genl::FAMILY_ID;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;

/// The port of every client here.
pub const PORT: u32 = 77;

/// A message, cut out of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// `nlmsg_type`
    pub kind: u16,
    /// `nlmsg_flags`
    pub flags: u16,
    /// `nlmsg_seq`
    pub sequence: u32,
    /// `nlmsg_pid`
    pub port: u32,
    /// The message, header included.
    pub bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Takes a message off the datagram, and what pads it; none if there is no whole one.
    pub fn next(datagram: &mut &'a [u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = datagram.get(at..)?.first_chunk()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        let [length, kind, sequence, port] = [number(0)?, number(4)?, number(8)?, number(12)?];
        let length = usize::try_from(length).ok()?;
        let bytes = datagram.get(..length).filter(|_| length >= HEADER)?;
        *datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        let [k0, k1, f0, f1] = kind.to_ne_bytes();
        Some(Self {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence,
            port,
            bytes,
        })
    }

    /// All messages of a datagram, up to what is none.
    pub fn all(mut datagram: &'a [u8]) -> Vec<Self> {
        std::iter::from_fn(|| Self::next(&mut datagram)).collect()
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no answer: it asked for no acknowledgement.
    Silence,
    /// It was carried out.
    Done,
    /// It was refused, with this error number.
    Refused(i32),
    /// It was a list.
    Listed,
}

/// Checks the replies to the messages of a datagram, and tells how each ended.
pub fn check(asked: &[u8], replies: &[Vec<u8>]) -> Vec<Verdict> {
    let mut told = Vec::new();
    for datagram in replies {
        assert_eq!(datagram.len() % 4, 0, "messages are padded");
        let messages = Message::all(datagram);
        let whole: usize = messages.iter().map(|one| one.bytes.len()).sum();
        assert_eq!(whole, datagram.len(), "nothing follows the last message");
        assert!(!messages.is_empty(), "no datagram is empty");
        told.extend(messages);
    }
    let mut told = told.into_iter().peekable();
    let verdicts = Message::all(asked)
        .iter()
        .map(|request| verdict(request, &mut told))
        .collect();
    assert!(told.next().is_none(), "there is nothing more to say");
    verdicts
}

fn verdict<'a>(
    request: &Message<'_>,
    told: &mut std::iter::Peekable<impl Iterator<Item = Message<'a>>>,
) -> Verdict {
    let wants_ack = request.flags & NLM_F_ACK != 0;
    let mut told_anything = false;
    // A message that asks for no reply but is followed by one that has the same number cannot be
    // told from it here. The targets give each its own.
    while let Some(reply) = told.next_if(|reply| reply.sequence == request.sequence) {
        assert_eq!(reply.port, PORT, "it is for the client that asked");
        match reply.kind {
            NLMSG_ERROR => return error(request, &reply),
            NLMSG_DONE => {
                assert_ne!(reply.flags & NLM_F_MULTIPART, 0);
                let payload = &reply.bytes[HEADER..];
                assert_eq!(payload[..4], [0; 4], "a list ends without an error");
                explanation(&reply, &payload[4..]);
                return Verdict::Listed;
            }
            kind => {
                told_anything = true;
                content(kind, reply.bytes);
                if reply.flags & NLM_F_MULTIPART != 0 {
                    assert_eq!(kind, FAMILY_ID);
                    let next = told.peek().expect("a list has an end");
                    assert_ne!(next.flags & NLM_F_MULTIPART, 0);
                }
            }
        }
    }
    assert!(!wants_ack, "an acknowledgement was asked for: {request:?}");
    if told_anything {
        Verdict::Done
    } else {
        Verdict::Silence
    }
}

/// An acknowledgement is about the request, and has the request in it.
fn error(request: &Message<'_>, reply: &Message<'_>) -> Verdict {
    let payload = &reply.bytes[HEADER..];
    let (errno, repeated) = payload.split_first_chunk().expect("an error has a number");
    let errno = -i32::from_ne_bytes(*errno);
    assert!((0..134).contains(&errno), "{errno} is an error's number");
    let length = if reply.flags & NLM_F_CAPPED != 0 {
        HEADER
    } else {
        request.bytes.len()
    };
    assert_eq!(repeated[..length], request.bytes[..length]);
    explanation(reply, &repeated[length.next_multiple_of(4)..]);
    match errno {
        0 => Verdict::Done,
        errno => Verdict::Refused(errno),
    }
}

fn explanation(reply: &Message<'_>, attributes: &[u8]) {
    let explained = reply.flags & NLM_F_ACK_TLVS != 0;
    assert_eq!(explained, !attributes.is_empty(), "{attributes:?}");
    for nla in NlasIterator::new(attributes) {
        nla.expect("an explanation has whole attributes");
    }
}

/// What is told can be read, and says the same when it is written again.
fn content(kind: u16, bytes: &[u8]) {
    let written = match kind {
        FAMILY_ID => {
            let message = NetlinkMessage::<GenlMessage<IpvsMessage>>::deserialize(bytes)
                .expect("a message of the family");
            let NetlinkPayload::InnerMessage(_) = message.payload else {
                panic!("{message:?}");
            };
            let mut written = vec![0; message.buffer_len()];
            message.serialize(&mut written);
            written
        }
        GENL_ID_CTRL => {
            let message = NetlinkMessage::<GenlMessage<GenlCtrl>>::deserialize(bytes)
                .expect("a message of the controller");
            let mut written = vec![0; message.buffer_len()];
            message.serialize(&mut written);
            written
        }
        kind => panic!("no request led to a message of type {kind}"),
    };
    assert_eq!(written, bytes);
}
