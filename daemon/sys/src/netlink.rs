//! Sends netlink requests to the kernel, and reads its answers.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use netlink_packet_core::{
    NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
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
/// No reply that is asked for here is longer, in bytes.
const LONGEST_REPLY: usize = 16 << 10;

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

/// A socket for requests to the kernel, in the network namespace of the thread that opened it.
pub struct KernelSocket(OwnedFd);

impl KernelSocket {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// When no socket can be had.
    pub fn open(protocol: SockProtocol) -> io::Result<Self> {
        let socket = open(protocol, SockFlag::empty())?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &RECEIVE_TIMEOUT)?;
        Ok(Self(socket))
    }

    /// Sends a request and returns the messages of the reply datagram; none if that is an
    /// acknowledgement. `flags` come in addition to `NLM_F_REQUEST`.
    ///
    /// # Errors
    ///
    /// The error in the reply; `WouldBlock` if there is no reply, `InvalidData` if it cannot be
    /// read.
    pub fn request<I>(&self, message: I, flags: u16) -> io::Result<Vec<I>>
    where
        I: NetlinkSerializable + NetlinkDeserializable,
    {
        let message_type = message.message_type();
        self.request_as(message_type, message, flags)
    }

    /// The same with another message type than the one that messages of this kind usually have.
    ///
    /// # Errors
    ///
    /// As `request`.
    pub fn request_as<I>(&self, message_type: u16, message: I, flags: u16) -> io::Result<Vec<I>>
    where
        I: NetlinkSerializable + NetlinkDeserializable,
    {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        // Sequence number and port stay zero: there is only one reply.
        let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        request.finalize();
        request.header.message_type = message_type;
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        let socket = self.0.as_fd().as_raw_fd();
        sendto(socket, &bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;

        let mut reply = vec![0; LONGEST_REPLY];
        let length = recv(socket, &mut reply, MsgFlags::empty())?;
        read(reply.get(..length).unwrap_or_default())
    }
}

/// The messages of a datagram.
///
/// # Errors
///
/// The error that one of them carries; `InvalidData` if one cannot be read.
pub fn read<I: NetlinkDeserializable>(mut datagram: &[u8]) -> io::Result<Vec<I>> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut messages = Vec::new();
    while !datagram.is_empty() {
        let message = NetlinkMessage::<I>::deserialize(datagram).map_err(invalid)?;
        match message.payload {
            NetlinkPayload::InnerMessage(inner) => messages.push(inner),
            NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
            _ => {}
        }
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        let next = length.max(1).next_multiple_of(4);
        datagram = datagram.get(next..).unwrap_or_default();
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::{RouteNetlinkMessage, link::LinkMessage};

    use super::*;

    #[test]
    fn a_reply_is_read() {
        let socket = KernelSocket::open(SockProtocol::NetlinkRoute).unwrap();
        // Every network namespace has a first interface.
        let mut link = LinkMessage::default();
        link.header.index = 1;
        let request = RouteNetlinkMessage::GetLink(link);
        let reply = socket.request(request, 0).unwrap();
        assert!(
            matches!(reply[..], [RouteNetlinkMessage::NewLink(_)]),
            "{reply:?}"
        );
    }

    #[test]
    fn an_error_in_the_reply_is_an_error() {
        let socket = KernelSocket::open(SockProtocol::NetlinkRoute).unwrap();
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let error = socket.request(request, 0).unwrap_err();
        assert!(error.raw_os_error().is_some(), "{error}");
    }

    #[test]
    fn bytes_that_are_no_message_are_an_error() {
        let error = read::<RouteNetlinkMessage>(&[1, 2, 3]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let mut short = 15_u32.to_ne_bytes().to_vec();
        short.resize(20, 0);
        assert!(read::<RouteNetlinkMessage>(&short).is_err());
    }
}
