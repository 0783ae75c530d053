//! Kinds of sockets: `plain`, `inet6` or `inet6-only`, and after commas `mark=NUMBER` or
//! `from=ADDRESS`.

use std::{
    net::{IpAddr, SocketAddr, SocketAddrV6},
    os::fd::{AsRawFd as _, OwnedFd},
};

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
}

impl<'k> Kind<'k> {
    /// Reads one.
    pub(crate) fn parse(words: &'k str) -> Result<Self, Errno> {
        let mut words = words.split(',');
        let mut kind = Self {
            name: words.next().unwrap_or_default(),
            mark: None,
            from: None,
        };
        for word in words {
            match word.split_once('=') {
                Some(("mark", mark)) => {
                    kind.mark = Some(mark.parse().map_err(|_| Errno::EINVAL)?);
                }
                Some(("from", from)) => {
                    kind.from = Some(from.parse().map_err(|_| Errno::EINVAL)?);
                }
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
        let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
        if family == AddressFamily::Inet6 {
            setsockopt(&socket, sockopt::Ipv6V6Only, &(self.name == "inet6-only"))?;
        }
        setsockopt(&socket, sockopt::SendTimeout, &patience)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        if let Some(mark) = self.mark {
            setsockopt(&socket, sockopt::Mark, &mark)?;
        }
        if let Some(from) = self.from {
            let from = self.address(SocketAddr::new(from, 0));
            bind(socket.as_raw_fd(), &SockaddrStorage::from(from))?;
        }
        Ok(socket)
    }
}
