//! Sockets, before anything is done with them.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, connect, listen,
        setsockopt, socket, sockopt,
    },
};

/// `TCP_FASTOPEN_NO_COOKIE` of `linux/tcp.h`.
const TCP_FASTOPEN_NO_COOKIE: libc::c_int = 34;
/// How long a server may take, in milliseconds.
const PATIENCE: u16 = 10_000;

/// An address as a socket of IPv6 takes it.
pub(crate) fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddrV6::new(ip.to_ipv6_mapped(), address.port(), 0, 0).into(),
        IpAddr::V6(_) => address,
    }
}

/// The `nth` address of a client: all of them are this machine's.
pub(crate) fn client(nth: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x7f10_0000 + nth)
}

/// The same, of a process that others run beside: each has addresses of its own.
pub(crate) fn own_client(nth: u32) -> Ipv4Addr {
    client((std::process::id() << 3 & 0x1f_ffff) + nth)
}

/// A socket for this address that waits for nothing.
pub(crate) fn stream(to: SocketAddr) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(family(to), SockType::Stream, flags, None)
}

/// The same of UDP.
pub(crate) fn datagram(to: SocketAddr) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(family(to), SockType::Datagram, flags, None)
}

/// The same of multipath TCP.
pub(crate) fn mptcp(to: SocketAddr) -> Result<OwnedFd, Errno> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the call takes no pointers.
    let socket = unsafe { libc::socket(family(to) as i32, kind, libc::IPPROTO_MPTCP) };
    let socket = Errno::result(socket)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

/// A socket that begins its connection when it first sends.
pub(crate) fn deferring(to: SocketAddr) -> Result<OwnedFd, Errno> {
    let stream = stream(to)?;
    setsockopt(&stream, sockopt::TcpFastOpenConnect, &true)?;
    let on: libc::c_int = 1;
    // SAFETY: the option is a number, which the call only reads.
    let set = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_FASTOPEN_NO_COOKIE,
            (&raw const on).cast(),
            libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(0),
        )
    };
    Errno::result(set)?;
    Ok(stream)
}

/// Listens, and has room for all that come.
pub(crate) fn listener(at: SocketAddr) -> Result<OwnedFd, Errno> {
    let listener = stream(at)?;
    setsockopt(&listener, sockopt::ReuseAddr, &true)?;
    bind(listener.as_raw_fd(), &SockaddrStorage::from(at))?;
    // Not nix's, which knows no more than 4096.
    // SAFETY: the call takes no pointers.
    let listening = unsafe { libc::listen(listener.as_raw_fd(), 2_000_000) };
    Errno::result(listening)?;
    Ok(listener)
}

/// Makes a listener of a socket that was for something else.
pub(crate) fn make_listener(stream: &OwnedFd) -> Result<(), Errno> {
    listen(stream, Backlog::new(1)?)
}

/// Gives the socket this address, and leaves its port open.
pub(crate) fn bind_to(socket: &OwnedFd, from: Ipv4Addr) -> Result<(), Errno> {
    setsockopt(socket, sockopt::IpBindAddressNoPort, &true)?;
    let from = SocketAddr::from((from, 0));
    bind(socket.as_raw_fd(), &SockaddrStorage::from(from))
}

/// `connect(2)`.
pub(crate) fn connect_to(socket: &OwnedFd, to: SocketAddr) -> Result<(), Errno> {
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))
}

/// Whether a connection began: it is made, or a SYN is on its way.
pub(crate) fn has_begun(result: Result<(), Errno>) -> bool {
    matches!(result, Ok(()) | Err(Errno::EINPROGRESS))
}

/// Closing the socket resets its connection, and leaves nothing behind.
pub(crate) fn reset_when_closed(stream: &OwnedFd) -> Result<(), Errno> {
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(stream, sockopt::Linger, &at_once)
}

/// Waits until something can be read or written, or the connection has failed.
pub(crate) fn wait(socket: &OwnedFd, what: PollFlags) -> Result<(), Errno> {
    match poll(
        &mut [PollFd::new(socket.as_fd(), what)],
        PollTimeout::from(PATIENCE),
    )? {
        0 => Err(Errno::ETIME),
        _ => Ok(()),
    }
}

fn family(to: SocketAddr) -> AddressFamily {
    match to {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    }
}
