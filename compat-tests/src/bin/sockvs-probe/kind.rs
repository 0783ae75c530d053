//! Kinds of sockets: `plain`, `inet6` or `inet6-only`, and after commas `mark=NUMBER`,
//! `from=ADDRESS`, `port=NUMBER` (with `from`), `device=NAME`; of TCP also `mptcp`, `fastopen`
//! (with `TCP_FASTOPEN_CONNECT`) and `nonblocking`.

use std::{
    net::{IpAddr, SocketAddr, SocketAddrV6},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use compat_tests::answering::parse;
use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
        },
        time::TimeVal,
    },
};

/// A kind of socket.
pub(crate) struct Kind<'k> {
    name: &'k str,
    mark: Option<u32>,
    from: Option<IpAddr>,
    port: u16,
    device: Option<&'k str>,
    is_mptcp: bool,
    is_fast: bool,
    is_nonblocking: bool,
}

impl<'k> Kind<'k> {
    /// Reads one.
    pub(crate) fn parse(words: &'k str) -> Result<Self, Errno> {
        let mut words = words.split(',');
        let mut kind = Self {
            name: words.next().unwrap_or_default(),
            mark: None,
            from: None,
            port: 0,
            device: None,
            is_mptcp: false,
            is_fast: false,
            is_nonblocking: false,
        };
        for word in words {
            match word.split_once('=') {
                Some(("mark", mark)) => {
                    kind.mark = Some(parse(mark)?);
                }
                Some(("from", from)) => {
                    kind.from = Some(parse(from)?);
                }
                Some(("port", port)) => {
                    kind.port = parse(port)?;
                }
                Some(("device", device)) => kind.device = Some(device),
                None if word == "mptcp" => kind.is_mptcp = true,
                None if word == "fastopen" => kind.is_fast = true,
                None if word == "nonblocking" => kind.is_nonblocking = true,
                _ => return Err(Errno::EINVAL),
            }
        }
        match kind.name {
            "plain" | "inet6" | "inet6-only" => Ok(kind),
            _ => Err(Errno::EINVAL),
        }
    }

    /// An address in the form in which such a socket takes it.
    pub(crate) fn address(&self, address: SocketAddr) -> SocketAddr {
        match (self.name, address.ip()) {
            ("plain", _) | (_, IpAddr::V6(_)) => address,
            (_, IpAddr::V4(ip)) => {
                SocketAddrV6::new(ip.to_ipv6_mapped(), address.port(), 0, 0).into()
            }
        }
    }

    /// Makes a socket for an address, which waits no longer than `patience` for anything.
    pub(crate) fn socket(
        &self,
        kind: SockType,
        address: SocketAddr,
        patience: TimeVal,
    ) -> Result<OwnedFd, Errno> {
        let family = match self.address(address) {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let mut flags = SockFlag::SOCK_CLOEXEC;
        flags.set(SockFlag::SOCK_NONBLOCK, self.is_nonblocking);
        let socket = if self.is_mptcp {
            mptcp(family, flags)?
        } else {
            socket(family, kind, flags, None)?
        };
        if family == AddressFamily::Inet6 {
            setsockopt(&socket, sockopt::Ipv6V6Only, &(self.name == "inet6-only"))?;
        }
        setsockopt(&socket, sockopt::SendTimeout, &patience)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        if let Some(mark) = self.mark {
            setsockopt(&socket, sockopt::Mark, &mark)?;
        }
        if self.is_fast {
            setsockopt(&socket, sockopt::TcpFastOpenConnect, &true)?;
        }
        if let Some(device) = self.device {
            setsockopt(&socket, sockopt::BindToDevice, &device.into())?;
        }
        if let Some(from) = self.from {
            setsockopt(&socket, sockopt::ReuseAddr, &true)?;
            let from = self.address(SocketAddr::new(from, self.port));
            bind(socket.as_raw_fd(), &SockaddrStorage::from(from))?;
        }
        Ok(socket)
    }
}

/// A socket of multipath TCP.
fn mptcp(family: AddressFamily, flags: SockFlag) -> Result<OwnedFd, Errno> {
    let kind = libc::SOCK_STREAM | flags.bits();
    // SAFETY: the call takes no pointers.
    let socket = unsafe { libc::socket(family as i32, kind, libc::IPPROTO_MPTCP) };
    let socket = Errno::result(socket)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}
