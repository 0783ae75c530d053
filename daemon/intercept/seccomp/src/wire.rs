//! The protocol between a supervisor and the daemon: packets of a `SOCK_SEQPACKET` connection with
//! fixed headers in the machine's byte order.
//!
//! A request carries netlink bytes, a call about a socket option, or a file's path, and exactly one
//! descriptor as ancillary data: the client's socket, or the network namespace.

use sockvs_server::sockopt::{Call, Direction, Value};

/// The version of the protocol.
const VERSION: u16 = 1;

/// The most netlink bytes of one request.
pub const LARGEST_DATAGRAM: usize = 1 << 20;
/// The most bytes of a value that one answer carries.
pub const LARGEST_PIECE: usize = 32 << 10;
/// The longest request packet.
pub const LARGEST_PACKET: usize = LARGEST_DATAGRAM + Request::HEADER;
/// The longest packet that the relay makes of a request.
pub const LARGEST_VOUCHED: usize = LARGEST_PACKET + VouchedRequest::PREFIX;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Netlink messages.
    Netlink,
    /// A call to change or read a socket option ([`encode_call`]).
    Option,
    /// The contents of a file at a path; the descriptor is that of a network namespace.
    File,
}

/// Supervisor to daemon; the contents follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The request's id, which the answers repeat.
    pub id: u64,
    /// The thread that sent it.
    pub tid: i32,
    /// What it is about.
    pub kind: Kind,
}

impl Request {
    /// Version, kind, thread, id.
    pub const HEADER: usize = 16;

    /// Encodes the packet.
    #[must_use]
    pub fn encode(self, contents: &[u8]) -> Vec<u8> {
        let kind = match self.kind {
            Kind::Netlink => 0_u16,
            Kind::Option => 1,
            Kind::File => 2,
        };
        let mut packet = Vec::with_capacity(Self::HEADER + contents.len());
        packet.extend(VERSION.to_ne_bytes());
        packet.extend(kind.to_ne_bytes());
        packet.extend(self.tid.to_ne_bytes());
        packet.extend(self.id.to_ne_bytes());
        packet.extend(contents);
        packet
    }

    /// Decodes the request; also returns its contents.
    pub fn decode(packet: &[u8]) -> Option<(Self, &[u8])> {
        let (version, rest) = packet.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (tid, rest) = rest.split_first_chunk()?;
        let (id, contents) = rest.split_first_chunk()?;
        let request = Self {
            id: u64::from_ne_bytes(*id),
            tid: i32::from_ne_bytes(*tid),
            kind: match u16::from_ne_bytes(*kind) {
                0 => Kind::Netlink,
                1 => Kind::Option,
                2 => Kind::File,
                _ => return None,
            },
        };
        let known = u16::from_ne_bytes(*version) == VERSION;
        (known && request.tid > 0 && !contents.is_empty()).then_some((request, contents))
    }
}

/// Relay to daemon: a request whose descriptor can be closed without blocking. For a call about a
/// socket option it is the network namespace instead of the socket, with its cookie.
pub struct VouchedRequest;

impl VouchedRequest {
    const PREFIX: usize = size_of::<u64>();

    /// Encodes the packet, with the cookie of the network namespace that the descriptor belongs to.
    #[must_use]
    pub fn encode(cookie: u64, request: &[u8]) -> Vec<u8> {
        let mut packet = Vec::with_capacity(Self::PREFIX + request.len());
        packet.extend(cookie.to_ne_bytes());
        packet.extend(request);
        packet
    }

    /// Decodes the cookie and the request; also returns its contents.
    pub fn decode(packet: &[u8]) -> Option<(u64, Request, &[u8])> {
        let (cookie, packet) = packet.split_first_chunk()?;
        let (request, contents) = Request::decode(packet)?;
        Some((u64::from_ne_bytes(*cookie), request, contents))
    }
}

/// Encodes a call: its direction, the option's number, the caller's length, whether its argument
/// could be read, the argument.
pub fn encode_call(call: &Call) -> Vec<u8> {
    let direction: u8 = match call.direction {
        Direction::Set => 0,
        Direction::Get => 1,
    };
    let mut contents = call.number.to_ne_bytes().to_vec();
    contents.extend(call.length.to_ne_bytes());
    contents.extend([direction, u8::from(call.argument.is_some())]);
    contents.extend(call.argument.as_deref().unwrap_or_default());
    contents
}

/// Decodes a call; `None` if the contents are invalid.
#[must_use]
pub fn decode_call(contents: &[u8]) -> Option<Call> {
    let (number, rest) = contents.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let ([direction, readable], argument) = rest.split_first_chunk()?;
    Some(Call {
        direction: match direction {
            0 => Direction::Set,
            1 => Direction::Get,
            _ => return None,
        },
        number: i32::from_ne_bytes(*number),
        length: i32::from_ne_bytes(*length),
        argument: match readable {
            0 if argument.is_empty() => None,
            1 => Some(argument.to_vec()),
            _ => return None,
        },
    })
}

/// Encodes a value, which is sent in pieces: the length to return, and the bytes.
pub fn encode_value(value: &Value) -> Vec<u8> {
    [&value.length.to_ne_bytes(), &value.bytes[..]].concat()
}

/// Decodes a value from all its pieces; `None` if they are invalid.
#[must_use]
pub fn decode_value(pieces: &[u8]) -> Option<Value> {
    let (length, bytes) = pieces.split_first_chunk()?;
    Some(Value {
        length: i32::from_ne_bytes(*length),
        bytes: bytes.to_vec(),
    })
}

/// The state of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Applied, and what fits was sent; more replies will follow.
    Taken,
    /// Not applied; the client's call fails with this error number.
    Refused(i32),
    /// Nothing more will follow. It includes `Taken` if that was not sent.
    Done,
    /// A piece of the option's value or the file is in the packet; the rest follows before `Done`.
    Piece,
}

/// Daemon to supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The id of the request.
    pub id: u64,
    /// Its state.
    pub state: State,
}

impl Answer {
    /// Version, state, error number, id.
    pub const LENGTH: usize = 16;

    /// Encodes the packet; only a piece has `contents`.
    pub fn encode(self, contents: &[u8]) -> Vec<u8> {
        let (state, errno) = match self.state {
            State::Taken => (1_u16, 0),
            State::Refused(errno) => (2, errno),
            State::Done => (3, 0),
            State::Piece => (4, 0),
        };
        let mut packet = Vec::with_capacity(Self::LENGTH);
        packet.extend(VERSION.to_ne_bytes());
        packet.extend(state.to_ne_bytes());
        packet.extend(errno.to_ne_bytes());
        packet.extend(self.id.to_ne_bytes());
        packet.extend(contents);
        packet
    }

    /// Decodes the answer, and the contents of a piece.
    pub fn decode(packet: &[u8]) -> Option<(Self, &[u8])> {
        let (version, rest) = packet.split_first_chunk()?;
        let (state, rest) = rest.split_first_chunk()?;
        let (errno, rest) = rest.split_first_chunk()?;
        let (id, contents) = rest.split_first_chunk()?;
        let state = match (u16::from_ne_bytes(*state), i32::from_ne_bytes(*errno)) {
            (1, 0) => State::Taken,
            (2, errno) if errno > 0 => State::Refused(errno),
            (3, 0) => State::Done,
            (4, 0) => State::Piece,
            _ => return None,
        };
        let fits = contents.is_empty() != (state == State::Piece);
        let known = u16::from_ne_bytes(*version) == VERSION && fits;
        let answer = Self {
            id: u64::from_ne_bytes(*id),
            state,
        };
        known.then_some((answer, contents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_decoded_as_it_was_encoded() {
        for kind in [Kind::Netlink, Kind::Option, Kind::File] {
            let request = Request {
                id: u64::MAX - 1,
                tid: 77,
                kind,
            };
            let packet = request.encode(b"netlink");
            assert_eq!(packet.len(), Request::HEADER + 7);
            assert_eq!(Request::decode(&packet), Some((request, &b"netlink"[..])));
        }
    }

    #[test]
    fn a_request_is_decoded_as_the_relay_encoded_it() {
        let request = Request {
            id: 5,
            tid: 77,
            kind: Kind::Option,
        };
        let packet = VouchedRequest::encode(9, &request.encode(b"call"));
        let expected = (9, request, &b"call"[..]);
        assert_eq!(VouchedRequest::decode(&packet), Some(expected));
        assert!(VouchedRequest::decode(&packet[1..]).is_none());
    }

    #[test]
    fn requests_of_another_version_or_length_are_refused() {
        let request = |tid| Request {
            id: 1,
            tid,
            kind: Kind::Netlink,
        };
        let good = request(1).encode(b"x");
        for (at, value) in [(0, 9), (2, 3)] {
            let mut packet = good.clone();
            packet[at] = value;
            assert_eq!(Request::decode(&packet), None, "byte {at}");
        }
        assert_eq!(Request::decode(&request(0).encode(b"x")), None);
        assert_eq!(Request::decode(&request(1).encode(b"")), None);
        assert!((0..good.len()).all(|length| Request::decode(&good[..length]).is_none()));
    }

    #[test]
    fn a_call_is_decoded_as_it_was_encoded() {
        for (direction, argument) in [
            (Direction::Set, Some(b"argument".to_vec())),
            (Direction::Get, Some(Vec::new())),
            (Direction::Get, None),
        ] {
            let call = Call {
                direction,
                number: 1154,
                length: -8,
                argument,
            };
            let contents = encode_call(&call);
            assert_eq!(decode_call(&contents), Some(call));
            assert!((0..10).all(|length| decode_call(&contents[..length]).is_none()));
        }
    }

    #[test]
    fn a_value_is_decoded_as_it_was_encoded() {
        let value = Value {
            bytes: b"value".to_vec(),
            length: 64,
        };
        let pieces = encode_value(&value);
        assert_eq!(decode_value(&pieces), Some(value));
        assert_eq!(decode_value(&pieces[..3]), None);
    }

    #[test]
    fn answers_are_decoded_as_they_were_encoded() {
        for state in [State::Taken, State::Refused(libc::EPERM), State::Done] {
            let answer = Answer { id: 3, state };
            let packet = answer.encode(&[]);
            assert_eq!(packet.len(), Answer::LENGTH);
            assert_eq!(Answer::decode(&packet), Some((answer, &[][..])));
            assert_eq!(Answer::decode(&packet[1..]), None);
            assert_eq!(Answer::decode(&answer.encode(b"more")), None);
        }
        let answer = |state| Answer { id: 3, state };
        let piece = answer(State::Piece).encode(b"more");
        let expected = (answer(State::Piece), &b"more"[..]);
        assert_eq!(Answer::decode(&piece), Some(expected));
        for nonsense in [State::Refused(0), State::Piece] {
            assert_eq!(Answer::decode(&answer(nonsense).encode(&[])), None);
        }
    }
}
