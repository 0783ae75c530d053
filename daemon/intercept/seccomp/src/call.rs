//! Reads the arguments of trapped calls that can send netlink messages.
//!
//! [`None`] is always a safe answer: the kernel then executes the call and reports any error
//! itself. So unreadable memory, an unusual address or a datagram that is too long are no errors
//! here.

use super::datagram::{self, Part};
use super::notification::Notification;
use super::socket::ClientSocket;
use super::target::{Target, low_half};
use super::wire;

/// Sizes and offsets of `struct msghdr` and `struct mmsghdr` with 64-bit pointers.
const HEADER: usize = 56;
const VECTOR_ENTRY: usize = 64;
const LENGTH_IN_ENTRY: u64 = 56;
const IO_VECTOR: usize = 16;
/// The most pieces, and the most messages of one `sendmmsg`, that the kernel accepts
/// (`UIO_MAXIOV`).
const MOST: u64 = 1024;
/// Sizes of `struct sockaddr_nl` and of the longest address.
const ADDRESS: usize = 12;
const LONGEST_ADDRESS: usize = 128;

/// One datagram to the kernel.
pub(super) struct Datagram {
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<Part>,
    /// Where `sendmmsg` expects the number of bytes sent.
    pub(super) length_at: Option<u64>,
}

/// What a call sends.
pub(super) struct Call {
    pub(super) datagrams: Vec<Datagram>,
    /// Whether its result counts datagrams (`sendmmsg`) or bytes.
    pub(super) vector: bool,
}

impl Call {
    pub(super) fn has_ours(&self) -> bool {
        self.parts().any(|part| matches!(part, Part::Ours(_)))
    }

    pub(super) fn has_foreign(&self) -> bool {
        self.parts().any(|part| matches!(part, Part::Foreign(_)))
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.datagrams.iter().flat_map(|datagram| &datagram.parts)
    }
}

/// Whether the call is too short for a netlink message; this reads nothing from the caller.
pub(super) fn is_too_short(notification: &Notification) -> bool {
    let [_, _, length, ..] = notification.arguments;
    notification.call == libc::SYS_sendto && length < 16
}

/// Reads the datagrams that a call sends to the kernel through `socket`.
pub(super) fn read(
    notification: &Notification,
    target: &Target,
    socket: &ClientSocket,
) -> Option<Call> {
    let largest = socket.largest().ok()?.min(wire::LARGEST_DATAGRAM);
    let reader = Reader { target, socket };
    let [_, second, third, fourth, fifth, sixth] = notification.arguments;
    let (vector, datagrams) = match notification.call {
        libc::SYS_sendto => {
            is_plain(fourth)?;
            let name = (fifth, if fifth == 0 { 0 } else { low_half(sixth) });
            let piece = (second, usize::try_from(third).ok()?);
            (false, vec![reader.datagram(name, &[piece], largest, None)?])
        }
        libc::SYS_sendmsg => {
            is_plain(third)?;
            let header = target.read(second, HEADER).ok()?;
            (false, vec![reader.message(&header, largest, None)?])
        }
        libc::SYS_sendmmsg => {
            is_plain(fourth)?;
            (
                true,
                reader.vector(second, third & u64::from(u32::MAX), largest)?,
            )
        }
        _ => return None,
    };
    Some(Call { datagrams, vector })
}

/// Netlink refuses out-of-band data.
fn is_plain(flags: u64) -> Option<()> {
    (low_half(flags) & libc::MSG_OOB == 0).then_some(())
}

struct Reader<'a> {
    target: &'a Target,
    socket: &'a ClientSocket,
}

impl Reader<'_> {
    /// The messages of a `sendmmsg`: as many as can be read, and not much more than fits one packet
    /// to the daemon. The call then reports that only these were sent, which is always a valid
    /// result.
    fn vector(&self, address: u64, count: u64, largest: usize) -> Option<Vec<Datagram>> {
        let mut datagrams = Vec::new();
        let mut room = wire::LARGEST_DATAGRAM;
        for index in 0..count.min(MOST) {
            let entry = address.checked_add(index * VECTOR_ENTRY as u64)?;
            let header = self.target.read(entry, HEADER).ok();
            let length_at = entry.checked_add(LENGTH_IN_ENTRY);
            let datagram = header.and_then(|header| self.message(&header, largest, length_at));
            let Some(datagram) = datagram else { break };
            room = room.saturating_sub(datagram.bytes.len());
            datagrams.push(datagram);
            if room == 0 {
                break;
            }
        }
        (!datagrams.is_empty()).then_some(datagrams)
    }

    /// The datagram of a `struct msghdr`.
    fn message(&self, header: &[u8], largest: usize, length_at: Option<u64>) -> Option<Datagram> {
        let (name, name_length) = (u64_at(header, 0)?, low_half(u64_at(header, 8)?));
        let name = (name, if name == 0 { 0 } else { name_length });
        let (vector, count) = (u64_at(header, 16)?, u64_at(header, 24)?);
        if count > MOST {
            return None;
        }
        let vector = self
            .target
            .read(vector, usize::try_from(count).ok()? * IO_VECTOR)
            .ok()?;
        let mut pieces = Vec::with_capacity(vector.len() / IO_VECTOR);
        for piece in vector.chunks_exact(IO_VECTOR) {
            pieces.push((u64_at(piece, 0)?, usize::try_from(u64_at(piece, 8)?).ok()?));
        }
        self.datagram(name, &pieces, largest, length_at)
    }

    fn datagram(
        &self,
        name: (u64, i32),
        pieces: &[(u64, usize)],
        largest: usize,
        length_at: Option<u64>,
    ) -> Option<Datagram> {
        let length = pieces
            .iter()
            .try_fold(0_usize, |sum, (_, n)| sum.checked_add(*n))?;
        if length == 0 || length > largest || !self.goes_to_kernel(name)? {
            return None;
        }
        let bytes = self.target.read_pieces(pieces).ok()?;
        let parts = datagram::split(&bytes);
        Some(Datagram {
            bytes,
            parts,
            length_at,
        })
    }

    /// Whether the address, or without one the socket's peer, is the kernel.
    fn goes_to_kernel(&self, (address, length): (u64, i32)) -> Option<bool> {
        if length == 0 {
            return Some(self.socket.faces_kernel());
        }
        let length = usize::try_from(length).ok()?.min(LONGEST_ADDRESS);
        if length < ADDRESS {
            return None;
        }
        let name = self.target.read(address, ADDRESS).ok()?;
        let (family, port, groups) = (name.get(..2)?, name.get(4..8)?, name.get(8..12)?);
        let netlink = libc::sa_family_t::try_from(libc::AF_NETLINK).ok()?;
        Some(family == netlink.to_ne_bytes() && port == [0; 4] && groups == [0; 4])
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u64::from_ne_bytes)
}
