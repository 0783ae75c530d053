//! The virtual services of a measurement, and where connections are to go.
//!
//! A table of N services is N services of TCP, each at an address of its own. The first address has
//! one service more for each other kind of traffic, which stands in the table's middle: some ways
//! of balancing look through a list.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
};

/// Where the real servers are.
pub(crate) const SERVERS: [Ipv4Addr; 2] =
    [Ipv4Addr::new(10, 77, 0, 2), Ipv4Addr::new(10, 77, 0, 3)];
/// The network of virtual addresses. No interface has any of them.
pub(crate) const NETWORK: &str = "10.96.0.0/12";
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// The service that is there N times.
pub(crate) const CONNECT_PORT: u16 = 8000;
/// Services of the first address only.
pub(crate) const DATAGRAM_PORT: u16 = 8001;
pub(crate) const HTTP_PORT: u16 = 8080;
pub(crate) const REDIS_PORT: u16 = 6379;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// Its name to iptables and nft.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The option of ipvsadm.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Tcp => "-t",
            Self::Udp => "-u",
        }
    }
}

/// One virtual service. Its servers listen at the same port, as `-g` wants it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddrV4,
}

/// A table of services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Services(pub(crate) u32);

impl Services {
    /// All of them, in the order that they are set up in.
    pub(crate) fn iter(self) -> impl Iterator<Item = Service> {
        let Self(count) = self;
        let connect = |number| Service {
            protocol: Protocol::Tcp,
            address: SocketAddrV4::new(virtual_address(number), CONNECT_PORT),
        };
        let others = [
            (Protocol::Udp, DATAGRAM_PORT),
            (Protocol::Tcp, HTTP_PORT),
            (Protocol::Tcp, REDIS_PORT),
        ];
        let others = others.map(|(protocol, port)| Service {
            protocol,
            address: SocketAddrV4::new(FIRST, port),
        });
        let before = (0..count / 2).map(connect);
        before.chain(others).chain((count / 2..count).map(connect))
    }
}

/// The table's name.
impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 service"),
            many => write!(f, "{many} services"),
        }
    }
}

/// The address of a service, counted from 0.
pub(crate) fn virtual_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + number)
}

/// The addresses that one measurement's connections go to, in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    pub(crate) first: Ipv4Addr,
    pub(crate) count: u32,
}

impl Aim {
    /// Straight at the servers.
    pub(crate) const SERVERS: Self = Self {
        first: SERVERS[0],
        count: 2,
    };

    /// Whether it is straight at the servers.
    pub(crate) fn is_servers(self) -> bool {
        self.first == SERVERS[0]
    }

    /// At all services of the kind that there are N of.
    pub(crate) fn services(services: Services) -> Self {
        Self {
            first: FIRST,
            count: services.0,
        }
    }
}
