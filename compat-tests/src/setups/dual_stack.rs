//! A testbed that has the same services and servers in IPv4 and in IPv6, of TCP and of UDP.

use crate::{
    clients::application::{Application, Socket},
    oracle::listing,
    servers::{datagram_server::DatagramServer, server::Server},
    setups::testbed::Testbed,
};

/// One family's addresses.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The service that has the servers A and B.
    pub service: &'static str,
    /// The one that has the server C.
    pub other: &'static str,
    /// The one whose server is not there.
    pub closed: &'static str,
    /// Where A is.
    pub server: &'static str,
    /// Where the server that is not there would be.
    pub empty: &'static str,
    /// Where applications are.
    pub own: &'static str,
}

/// IPv4.
pub const V4: Family = Family {
    service: "10.9.0.1:80",
    other: "10.9.0.2:80",
    closed: "10.9.0.3:80",
    server: "127.0.0.11:8080",
    empty: "127.0.0.14:8080",
    own: "127.0.0.77:7777",
};
/// IPv6.
pub const V6: Family = Family {
    service: "[fd00:9::1]:80",
    other: "[fd00:9::2]:80",
    closed: "[fd00:9::3]:80",
    server: "[fd00:1::11]:8080",
    empty: "[fd00:1::14]:8080",
    own: "[fd00:1::77]:7777",
};
/// Both.
pub const FAMILIES: [Family; 2] = [V4, V6];

/// The testbed, its servers, and an application.
#[derive(Debug)]
pub struct DualStack {
    /// The application.
    pub application: Application,
    _servers: Vec<Server>,
    _datagram_servers: Vec<DatagramServer>,
    /// The testbed.
    pub testbed: Testbed,
}

impl DualStack {
    /// Makes one, with a daemon that has these options.
    ///
    /// # Panics
    ///
    /// When something of it cannot be made.
    #[must_use]
    pub fn new(options: &[&str]) -> Self {
        let testbed = Testbed::with_options(options);
        for host in [11, 12, 13, 14, 77] {
            let address = format!("fd00:1::{host}/128");
            testbed.namespace.add_address(&address);
        }
        let mut rules = String::new();
        let (mut servers, mut datagram_servers) = (Vec::new(), Vec::new());
        let hosts: [fn(u32) -> String; 2] = [
            |host| format!("127.0.0.{host}:8080"),
            |host| format!("[fd00:1::{host}]:8080"),
        ];
        for (family, at) in FAMILIES.iter().zip(hosts) {
            for (service, hosts) in [
                (family.service, &[11, 12][..]),
                (family.other, &[13]),
                (family.closed, &[14]),
            ] {
                for protocol in ["-t", "-u"] {
                    rules += &format!("-A {protocol} {service} -s rr\n");
                    for host in hosts {
                        rules += &format!("-a {protocol} {service} -r {} -m\n", at(*host));
                    }
                }
            }
            for (name, host) in [("A", 11), ("B", 12), ("C", 13)] {
                servers.push(testbed.server(name, &at(host)));
                datagram_servers.push(testbed.datagram_server(name, &at(host)));
            }
        }
        testbed.client().restore(&rules);
        Self {
            application: testbed.application(),
            _servers: servers,
            _datagram_servers: datagram_servers,
            testbed,
        }
    }

    /// Active and other connections of a service of `TCP` or `UDP`, of all its servers together.
    ///
    /// # Panics
    ///
    /// When they cannot be listed.
    #[must_use]
    #[track_caller]
    pub fn counted(&self, protocol: &str, service: &str) -> (u64, u64) {
        let service = service.parse().expect("an address");
        let listed = listing::read(&self.testbed.ipvsadm("-Ln"));
        listed
            .iter()
            .filter(|line| line.protocol == protocol && line.service == service)
            .filter(|line| line.server.is_some())
            .fold((0, 0), |(active, inactive), line| {
                (active + line.numbers[1], inactive + line.numbers[2])
            })
    }

    /// The stream is connected to `service`, the one with A and B, knows it, and is counted until
    /// it is closed; that is done here.
    ///
    /// # Panics
    ///
    /// When it is not so.
    #[track_caller]
    pub fn assert_is_served(&mut self, id: &str, service: &str) {
        let greeting = self.application.greeting(id);
        assert!(
            matches!(greeting.as_deref(), Ok("A" | "B")),
            "{id} to {service} reached {greeting:?}"
        );
        assert_eq!(
            self.application.try_peer(id),
            Ok(service.to_owned()),
            "{id}"
        );
        assert_eq!(self.counted("TCP", service), (1, 0), "{id} is open");
        self.application.close(id);
        assert_eq!(self.counted("TCP", service), (0, 0), "{id} is closed");
    }

    /// A TCP socket of the application that is connected.
    ///
    /// # Panics
    ///
    /// When it cannot be.
    #[track_caller]
    pub fn connected(&mut self, id: &str, socket: Socket, address: &str) {
        self.application.stream(id, socket, address);
        let connected = self.application.connect_socket(id, address);
        assert_eq!(connected, Ok(()), "{socket:?} to {address}");
    }
}
