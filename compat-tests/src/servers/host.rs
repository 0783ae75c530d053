//! A machine of its own that real servers run on: a network namespace behind a cable to another
//! one.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use crate::{
    environment::namespace::Namespace,
    process::eventually::eventually,
    servers::{
        datagram_server::DatagramServer,
        server::{Server, Talk},
    },
};

/// Where nothing listens.
const CLOSED_PORT: u16 = 1;

/// A machine. What it sends leaves by way of the machine that it is joined to.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    number: u8,
}

impl Host {
    /// Joins machine `number` to another one: its addresses are `10.8.NUMBER.2` and
    /// `fd00:8:NUMBER::2`, those of the other end have 1 for the last number.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn new(near: &Namespace, number: u8) -> Self {
        let namespace = Namespace::new();
        let far = namespace.name();
        near.ip_batch(&format!(
            "link add to{number} type veth peer name eth0 netns {far}
             address add 10.8.{number}.1/24 dev to{number}
             address add fd00:8:{number}::1/64 dev to{number} nodad
             link set to{number} up"
        ));
        namespace.ip_batch(&format!(
            "address add 10.8.{number}.2/24 dev eth0
             address add fd00:8:{number}::2/64 dev eth0 nodad
             link set eth0 up
             route add default via 10.8.{number}.1
             route add default via fd00:8:{number}::1"
        ));
        let host = Self { namespace, number };
        near.enter(|| host.await_cable());
        host
    }

    /// Waits until packets come through: the kernel gets round to telling IPv6 that a cable is
    /// plugged in within a second or so, and till then the first ones are lost.
    fn await_cable(&self) {
        eventually(Duration::from_secs(20), || {
            let closed = self.at_v6(CLOSED_PORT);
            match TcpStream::connect_timeout(&closed, Duration::from_millis(500)) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
                other => Err(format!("{closed} was not reached: {other:?}")),
            }
        });
    }

    /// Its network namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its IPv4 address with a port.
    #[must_use]
    pub fn at(&self, port: u16) -> SocketAddr {
        (Ipv4Addr::new(10, 8, self.number, 2), port).into()
    }

    /// Its IPv6 address with a port.
    #[must_use]
    pub fn at_v6(&self, port: u16) -> SocketAddr {
        let address = Ipv6Addr::new(0xfd00, 8, self.number.into(), 0, 0, 0, 0, 2);
        (address, port).into()
    }

    /// A server that greets with its name, at all of its addresses.
    ///
    /// # Panics
    ///
    /// When it cannot listen at `port`.
    #[must_use]
    #[track_caller]
    pub fn serve(&self, name: &str, port: u16) -> Server {
        self.serve_by(Talk::Greeting, name, port)
    }

    /// A server that tells its name in another way.
    ///
    /// # Panics
    ///
    /// When it cannot listen at `port`.
    #[must_use]
    #[track_caller]
    pub fn serve_by(&self, talk: Talk, name: &str, port: u16) -> Server {
        Server::start(&self.namespace, name, everywhere(port), talk)
    }

    /// A server that answers each datagram with its name.
    ///
    /// # Panics
    ///
    /// When it cannot have `port`.
    #[must_use]
    #[track_caller]
    pub fn serve_datagrams(&self, name: &str, port: u16) -> DatagramServer {
        DatagramServer::start(&self.namespace, name, self.at(port))
    }

    /// Cuts it off: nothing that it sends arrives, and no error is sent back.
    ///
    /// # Panics
    ///
    /// When its routes cannot be changed.
    pub fn cut(&self) {
        for family in ["-4", "-6"] {
            self.namespace
                .ip(&[family, "rule", "add", "pref", "1", "blackhole"]);
        }
    }

    /// Undoes [`cut`](Self::cut).
    ///
    /// # Panics
    ///
    /// When its routes cannot be changed.
    pub fn mend(&self) {
        for family in ["-4", "-6"] {
            self.namespace.ip(&[family, "rule", "del", "pref", "1"]);
        }
    }
}

/// IPv6's address for all of them, of both families.
fn everywhere(port: u16) -> SocketAddr {
    (IpAddr::from(Ipv6Addr::UNSPECIFIED), port).into()
}
