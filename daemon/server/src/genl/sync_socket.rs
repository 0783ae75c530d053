//! Opens the socket of a sync daemon, as the kernel does when it starts one (`make_send_sock`,
//! `make_receive_sock` in `net/netfilter/ipvs/ip_vs_sync.c`), to find out whether it can be opened.
//! Nothing is sent, and the socket is closed at once.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket,
        sockopt,
    },
};

use sockvs_ipvs::SyncState;

/// Opens one, in the network namespace of the calling thread.
pub(super) fn open(
    state: SyncState,
    interface: &[u8],
    group: IpAddr,
    port: u16,
) -> Result<(), Errno> {
    let name = String::from_utf8_lossy(interface);
    let index = nix::net::if_::if_nametoindex(name.as_ref())?;
    let family = match group {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let device = interface.to_vec();
    setsockopt(&socket, sockopt::BindToDevice, &into_os_string(device))?;
    let at = SockaddrStorage::from(SocketAddr::new(group, port));
    match state {
        SyncState::Master => connect(socket.as_raw_fd(), &at),
        SyncState::Backup => {
            setsockopt(&socket, sockopt::ReuseAddr, &true)?;
            bind(socket.as_raw_fd(), &at)?;
            join(socket, group, index)
        }
    }
}

fn into_os_string(bytes: Vec<u8>) -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

/// Joins a multicast group on an interface (`join_mcast_group`, `join_mcast_group6`).
fn join(socket: OwnedFd, group: IpAddr, index: u32) -> Result<(), Errno> {
    match group {
        IpAddr::V4(group) => {
            let request = libc::ip_mreqn {
                imr_multiaddr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(group.octets()),
                },
                imr_address: libc::in_addr { s_addr: 0 },
                imr_ifindex: index.cast_signed(),
            };
            let len = libc::socklen_t::try_from(size_of_val(&request)).unwrap_or(0);
            // SAFETY: the kernel reads `len` bytes, which is the size of the structure.
            let result = unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::IPPROTO_IP,
                    libc::IP_ADD_MEMBERSHIP,
                    (&raw const request).cast(),
                    len,
                )
            };
            Errno::result(result).map(drop)
        }
        IpAddr::V6(group) => UdpSocket::from(socket)
            .join_multicast_v6(&group, index)
            .map_err(errno),
    }
}

/// The error number of a system call's error.
pub(super) fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
