//! What a supervisor and the daemon say to each other: fixed headers in the machine's byte order,
//! one packet of a `SOCK_SEQPACKET` connection each.
//!
//! A request carries netlink bytes and, as ancillary data, exactly one descriptor: the client's
//! socket.

/// The version of these packets.
const VERSION: u16 = 1;

/// The most netlink bytes of one request.
pub(super) const LARGEST_DATAGRAM: usize = 1 << 20;
/// The longest request packet.
pub(super) const LARGEST_PACKET: usize = LARGEST_DATAGRAM + Request::HEADER;

/// Supervisor to daemon; the netlink bytes follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The supervisor's number for it, which the answers repeat.
    pub(super) id: u64,
    /// The thread that sent it.
    pub(super) tid: i32,
}

impl Request {
    /// Version, flags (none yet), thread, id.
    pub(super) const HEADER: usize = 16;

    pub(super) fn encode(self, netlink: &[u8]) -> Vec<u8> {
        let mut packet = Vec::with_capacity(Self::HEADER + netlink.len());
        packet.extend(VERSION.to_ne_bytes());
        packet.extend(0_u16.to_ne_bytes());
        packet.extend(self.tid.to_ne_bytes());
        packet.extend(self.id.to_ne_bytes());
        packet.extend(netlink);
        packet
    }

    /// The request, and where its netlink bytes are.
    pub(super) fn decode(packet: &[u8]) -> Option<(Self, &[u8])> {
        let (version, rest) = packet.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (tid, rest) = rest.split_first_chunk()?;
        let (id, netlink) = rest.split_first_chunk()?;
        let known = u16::from_ne_bytes(*version) == VERSION && u16::from_ne_bytes(*flags) == 0;
        let request = Self {
            id: u64::from_ne_bytes(*id),
            tid: i32::from_ne_bytes(*tid),
        };
        (known && request.tid > 0 && !netlink.is_empty()).then_some((request, netlink))
    }
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Applied, and what fits is sent; more replies will follow.
    Taken,
    /// Not applied; the client's call fails with this number.
    Refused(i32),
    /// Nothing more will come. Stands for `Taken` too where there was none.
    Done,
}

/// Daemon to supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) state: State,
}

impl Answer {
    /// Version, state, error number, id.
    pub(super) const LENGTH: usize = 16;

    pub(super) fn encode(self) -> Vec<u8> {
        let (state, errno) = match self.state {
            State::Taken => (1_u16, 0),
            State::Refused(errno) => (2, errno),
            State::Done => (3, 0),
        };
        let mut packet = Vec::with_capacity(Self::LENGTH);
        packet.extend(VERSION.to_ne_bytes());
        packet.extend(state.to_ne_bytes());
        packet.extend(errno.to_ne_bytes());
        packet.extend(self.id.to_ne_bytes());
        packet
    }

    pub(super) fn decode(packet: &[u8]) -> Option<Self> {
        let (version, rest) = packet.split_first_chunk()?;
        let (state, rest) = rest.split_first_chunk()?;
        let (errno, rest) = rest.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let state = match (u16::from_ne_bytes(*state), i32::from_ne_bytes(*errno)) {
            (1, 0) => State::Taken,
            (2, errno) if errno > 0 => State::Refused(errno),
            (3, 0) => State::Done,
            _ => return None,
        };
        let known = u16::from_ne_bytes(*version) == VERSION && rest.is_empty();
        known.then_some(Self {
            id: u64::from_ne_bytes(*id),
            state,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Request, State};

    #[test]
    fn a_request_survives_the_way() {
        let request = Request {
            id: u64::MAX - 1,
            tid: 77,
        };
        let packet = request.encode(b"netlink");
        assert_eq!(packet.len(), Request::HEADER + 7);
        assert_eq!(Request::decode(&packet), Some((request, &b"netlink"[..])));
    }

    #[test]
    fn a_request_of_another_version_or_shape_is_none() {
        let good = Request { id: 1, tid: 1 }.encode(b"x");
        for (at, value) in [(0, 9), (2, 1)] {
            let mut packet = good.clone();
            packet[at] = value;
            assert_eq!(Request::decode(&packet), None, "byte {at}");
        }
        assert_eq!(
            Request::decode(&Request { id: 1, tid: 0 }.encode(b"x")),
            None
        );
        assert_eq!(
            Request::decode(&Request { id: 1, tid: 1 }.encode(b"")),
            None
        );
        assert!((0..good.len()).all(|length| Request::decode(&good[..length]).is_none()));
    }

    #[test]
    fn answers_survive_the_way() {
        for state in [State::Taken, State::Refused(libc::EPERM), State::Done] {
            let answer = Answer { id: 3, state };
            let packet = answer.encode();
            assert_eq!(packet.len(), Answer::LENGTH);
            assert_eq!(Answer::decode(&packet), Some(answer));
            assert_eq!(Answer::decode(&packet[1..]), None);
        }
        assert_eq!(
            Answer::decode(
                &Answer {
                    id: 3,
                    state: State::Refused(0)
                }
                .encode()
            ),
            None
        );
    }
}
