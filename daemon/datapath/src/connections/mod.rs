//! Lists open connections in the types of the tables. `walk` reads them from the maps.

mod destroy;
pub(crate) mod expire_nodest;
pub(crate) mod socket_layout;
pub(crate) mod walk;

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
};

use sockvs_ebpf_common::{AF_INET6, AddressWords, LIVE_FLOW, LiveConnection};

use sockvs_ipvs::{
    ClientSocket, Connection, ConnectionState, DestinationId, Family, Namespace, ServiceId,
};

use crate::connections::walk::Walk;
use crate::records;
use crate::stores::{DestinationStore, ServiceStore};

/// The open connections; `None` if the kernel does not support reading them.
pub(crate) struct OpenConnections(Option<RefCell<Walk>>);

impl OpenConnections {
    /// The connections that `walk` finds; without it, none.
    pub(crate) fn new(walk: Option<Walk>) -> Self {
        Self(walk.map(RefCell::new))
    }

    /// Brings the counters up to date.
    pub(crate) fn settle(&self) {
        if let Some(walk) = &self.0 {
            walk.borrow_mut().settle();
        }
    }

    /// Connected sockets of TCP and UDP.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the kernel does not support reading sockets.
    pub(crate) fn connected(&self) -> io::Result<Vec<LiveConnection>> {
        let walk = self.0.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        walk.borrow_mut().connected()
    }

    /// Connected sockets, and flows of unconnected UDP sockets; empty if the kernel does not
    /// support it.
    pub(crate) fn list(
        &self,
        services: &ServiceStore,
        destinations: &DestinationStore,
    ) -> Vec<Connection> {
        let Some(walk) = &self.0 else {
            return Vec::new();
        };
        match walk.borrow_mut().all() {
            Ok(all) => {
                let all = all.iter();
                all.map(|live| connection(services, destinations, live))
                    .collect()
            }
            Err(error) => {
                tracing::warn!(%error, "open connections cannot be listed");
                Vec::new()
            }
        }
    }
}

/// The namespace of the connection's service: that of the socket, or in node-wide mode the one
/// whose services apply everywhere. After a service was deleted, its namespace is unknown once
/// another service has its id.
pub(crate) fn service_namespace(services: &ServiceStore, live: &LiveConnection) -> Namespace {
    let record = services.get(ServiceId(live.tuple.service));
    let record = record.filter(|record| record.use_number() == live.tuple.service_use);
    record.map_or(Namespace(live.netns), |record| {
        Namespace(record.key().netns)
    })
}

fn connection(
    services: &ServiceStore,
    destinations: &DestinationStore,
    live: &LiveConnection,
) -> Connection {
    let tuple = &live.tuple;
    let socket = family(live.family);
    // The addresses of a flow have the family of its server; those of other entries the family of
    // the socket.
    let form = if live.kind == LIVE_FLOW {
        let record = destinations.get(DestinationId(tuple.destination));
        record.map_or(socket, |record| family(record.read().family.into()))
    } else {
        socket
    };
    let protocol = u8::try_from(live.protocol).unwrap_or(0);
    let asked_for = u16::from_be(tuple.vport);
    let port = u16::from_be(tuple.dport);
    Connection {
        namespace: service_namespace(services, live),
        protocol,
        client: address(socket, &live.client, live.client_port),
        virtually: address(form, &tuple.vaddr, asked_for),
        server: address(form, &tuple.daddr, port),
        state: ConnectionState::of_socket(protocol, live.state),
        socket: ClientSocket {
            netns: live.netns,
            inode: live.inode,
            cgroup: live.cgroup,
        },
    }
}

fn family(number: u16) -> Family {
    if number == u16::from(AF_INET6) {
        Family::Inet6
    } else {
        Family::Inet
    }
}

fn address(family: Family, words: &AddressWords, port: u16) -> SocketAddr {
    let address: IpAddr = records::ip_address(family, words).to_canonical();
    (address, port).into()
}
