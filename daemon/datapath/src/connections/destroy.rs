//! Ends connections from outside, like `ss --kill` (`SOCK_DESTROY`): an application that waits gets
//! `ECONNABORTED`, a TCP server gets a reset, and a UDP socket is disconnected.
//!
//! The request must be sent in the network namespace of the socket, which is found by a process in
//! it. A socket in a namespace without processes is not ended.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsFd as _,
};

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_sock_diag::{
    SOCK_DESTROY, SockDiagMessage,
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use nix::sys::socket::SockProtocol;
use sockvs_ebpf_common::{AF_INET6, AddressWords, LiveConnection};
use sockvs_sys::{
    netlink::KernelSocket,
    netns::{inside, with_inode},
};

/// Ends these connections.
///
/// # Errors
///
/// When a namespace cannot be entered, or the kernel refuses for another reason than that the
/// connection has already ended. `Unsupported` means that the kernel lacks this request.
pub(crate) fn destroy(connections: &[LiveConnection]) -> io::Result<()> {
    let mut by_namespace: HashMap<u32, Vec<&LiveConnection>> = HashMap::new();
    for connection in connections {
        by_namespace
            .entry(connection.netns_inode)
            .or_default()
            .push(connection);
    }
    for (inode, connections) in by_namespace {
        let netns = with_inode(inode)?;
        inside(netns.as_fd(), || {
            let diag = KernelSocket::open(SockProtocol::NetlinkSockDiag)?;
            connections
                .iter()
                .try_for_each(|connection| destroy_one(&diag, connection))
        })?;
    }
    Ok(())
}

fn destroy_one(diag: &KernelSocket, connection: &LiveConnection) -> io::Result<()> {
    let Some(request) = request(connection) else {
        return Ok(());
    };
    let request = SockDiagMessage::InetRequest(request);
    match diag.request_as(SOCK_DESTROY, request, NLM_F_ACK) {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            // It ended by itself.
            Some(libc::ENOENT) => Ok(()),
            Some(libc::EOPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
            _ => Err(error),
        },
    }
}

/// The request for this connection; none if its socket is of a family that has no such requests.
fn request(connection: &LiveConnection) -> Option<InetRequest> {
    let family = u8::try_from(connection.family).ok()?;
    let is_v6 = connection.family == u16::from(AF_INET6);
    let address = |words: &AddressWords| -> IpAddr {
        let [first, ..] = *words;
        if is_v6 {
            let bytes = words.map(u32::to_ne_bytes).concat();
            let bytes = <[u8; 16]>::try_from(bytes).unwrap_or_default();
            Ipv6Addr::from(bytes).into()
        } else {
            Ipv4Addr::from(first.to_ne_bytes()).into()
        }
    };
    Some(InetRequest {
        family,
        protocol: u8::try_from(connection.protocol).ok()?,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: SocketId {
            source_port: connection.client_port,
            destination_port: u16::from_be(connection.tuple.dport),
            source_address: address(&connection.client),
            destination_address: address(&connection.tuple.daddr),
            interface_id: connection.device,
            // Lower half first.
            cookie: connection.cookie.to_le_bytes(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_both_ends_as_the_socket_has_them() {
        let mut connection = LiveConnection {
            family: 2,
            protocol: 6,
            client_port: 0x1234,
            cookie: 7,
            ..LiveConnection::default()
        };
        connection.client[0] = u32::from_ne_bytes([10, 0, 0, 1]);
        connection.tuple.daddr[0] = u32::from_ne_bytes([10, 0, 0, 2]);
        connection.tuple.dport = 80_u16.to_be();
        let id = request(&connection).unwrap().socket_id;
        assert_eq!((id.source_port, id.destination_port), (0x1234, 80));
        assert_eq!(id.source_address, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(id.destination_address, IpAddr::from([10, 0, 0, 2]));
        assert_eq!(id.cookie, 7_u64.to_le_bytes());
        connection.family = u16::from(AF_INET6);
        let id = request(&connection).unwrap().socket_id;
        assert!(id.source_address.is_ipv6(), "{id:?}");
    }
}
