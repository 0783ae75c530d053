//! Sends netlink requests to the kernel, and reads its answers.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
        setsockopt, socket, sockopt,
    },
    time::TimeVal,
};

/// The kernel answers immediately. Only an interceptor that answers in its place can delay it.
const RECEIVE_TIMEOUT: TimeVal = TimeVal::new(2, 0);

/// The message is a request (`linux/netlink.h`).
pub const NLM_F_REQUEST: u16 = 1;
/// The request wants an acknowledgement.
pub const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
const NLMSG_HDRLEN: usize = 16;
const NLA_HDRLEN: usize = 4;

/// A message that was received.
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// The bytes after the header.
    pub payload: &'a [u8],
}

/// The messages of a datagram.
pub fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let [l0, l1, l2, l3, k0, k1, ..] = *datagram.first_chunk::<NLMSG_HDRLEN>()?;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let payload = datagram.get(NLMSG_HDRLEN..length)?;
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            payload,
        })
    })
}

/// The contents of an attribute. `fixed` bytes come before the first attribute.
pub fn attribute(payload: &[u8], fixed: usize, wanted: u16) -> Option<&[u8]> {
    let mut rest = payload.get(fixed..)?;
    loop {
        let [l0, l1, k0, k1] = *rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let contents = rest.get(NLA_HDRLEN..length)?;
        if u16::from_ne_bytes([k0, k1]) == wanted {
            return Some(contents);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

/// Appends an attribute.
pub fn put(payload: &mut Vec<u8>, kind: u16, contents: &[u8]) {
    let Ok(length) = u16::try_from(NLA_HDRLEN + contents.len()) else {
        return;
    };
    payload.extend(length.to_ne_bytes());
    payload.extend(kind.to_ne_bytes());
    payload.extend(contents);
    payload.resize(payload.len().next_multiple_of(4), 0);
}

/// A netlink socket in the calling thread's namespace.
pub fn open(protocol: SockProtocol, flags: SockFlag) -> io::Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    Ok(socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        protocol,
    )?)
}

/// Sends one request in the calling thread's namespace, and returns the reply datagram. An error in
/// the reply is returned as an error.
pub fn ask(protocol: SockProtocol, kind: u16, flags: u16, payload: &[u8]) -> io::Result<Vec<u8>> {
    let socket = open(protocol, SockFlag::empty())?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &RECEIVE_TIMEOUT)?;
    let length = u32::try_from(NLMSG_HDRLEN + payload.len()).map_err(io::Error::other)?;
    let mut request = length.to_ne_bytes().to_vec();
    request.extend(kind.to_ne_bytes());
    request.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    // Sequence number and port stay zero: there is only one answer.
    request.resize(NLMSG_HDRLEN, 0);
    request.extend(payload);
    let socket = socket.as_fd().as_raw_fd();
    sendto(socket, &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;

    let mut answer = vec![0; 16 << 10];
    let length = recv(socket, &mut answer, MsgFlags::empty())?;
    answer.truncate(length);
    let first = messages(&answer).next().ok_or(io::ErrorKind::InvalidData)?;
    if first.kind == NLMSG_ERROR {
        let error = first.payload.first_chunk().copied().map(i32::from_ne_bytes);
        match error.ok_or(io::ErrorKind::InvalidData)? {
            0 => {}
            error => return Err(io::Error::from_raw_os_error(error.wrapping_neg())),
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_by_their_number() {
        let mut payload = vec![0; 4];
        put(&mut payload, 2, b"IPVS\0");
        put(&mut payload, 1, &33_u16.to_ne_bytes());
        assert_eq!(attribute(&payload, 4, 1), Some(&33_u16.to_ne_bytes()[..]));
        assert_eq!(attribute(&payload, 4, 2), Some(&b"IPVS\0"[..]));
        assert_eq!(attribute(&payload, 4, 9), None);
        assert_eq!(attribute(&payload[..10], 4, 2), None);
    }

    #[test]
    fn invalid_data_ends_a_datagram() {
        let mut datagram = 18_u32.to_ne_bytes().to_vec();
        datagram.extend([7, 0, 0, 0]);
        datagram.resize(20, 0);
        let short = 15_u32.to_ne_bytes();
        datagram.extend(short);
        datagram.resize(40, 0);
        let found: Vec<_> = messages(&datagram)
            .map(|m| (m.kind, m.payload.len()))
            .collect();
        assert_eq!(found, [(7, 2)]);
    }

    #[test]
    fn the_kernel_answers() {
        // RTM_GETLINK of the first interface, which every namespace has.
        let mut request = vec![0_u8; 16];
        request[4] = 1;
        let answer = ask(SockProtocol::NetlinkRoute, 18, 0, &request).unwrap();
        assert_eq!(messages(&answer).next().map(|m| m.kind), Some(16));
        request[4] = 0;
        let error = ask(SockProtocol::NetlinkRoute, 18, 0, &request).unwrap_err();
        assert!(error.raw_os_error().is_some(), "{error}");
    }
}
