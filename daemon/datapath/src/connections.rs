//! The open connections as the tables speak of them.

use std::net::{IpAddr, SocketAddr};

use sockvs_ebpf_common::{AF_INET6, AddressWords, LIVE_FLOW, LiveConnection};

use super::{
    MapPath,
    live::{LiveDestination, LiveService},
    records,
};
use sockvs_ipvs::{ClientSocket, Connection, ConnectionState, Family, Namespace};

impl MapPath {
    /// Adds what open connections have carried to the counters.
    pub(super) fn add_up(&self) {
        if let Some(walk) = &self.walk {
            walk.borrow_mut().settle();
        }
    }

    /// All open connections; none where the kernel cannot tell.
    pub(super) fn open_connections(&self) -> Vec<Connection> {
        let Some(walk) = &self.walk else {
            return Vec::new();
        };
        match walk.borrow_mut().all() {
            Ok(all) => all.iter().map(|live| self.connection(live)).collect(),
            Err(error) => {
                tracing::warn!(%error, "open connections cannot be listed");
                Vec::new()
            }
        }
    }

    fn connection(&self, live: &LiveConnection) -> Connection {
        let tuple = &live.tuple;
        let socket = family(live.family);
        // The form of a flow's addresses is that of its server's; all others' that of the socket.
        let form = if live.kind == LIVE_FLOW {
            LiveDestination::at(&self.destination_records, tuple.destination)
                .map_or(socket, |record| family(record.read().family.into()))
        } else {
            socket
        };
        let protocol = u8::try_from(live.protocol).unwrap_or(0);
        Connection {
            namespace: self.service_namespace(live),
            protocol,
            client: address(socket, &live.client, live.client_port),
            virtually: address(form, &tuple.vaddr, u16::from_be(tuple.vport)),
            server: address(form, &tuple.daddr, u16::from_be(tuple.dport)),
            state: ConnectionState::of_socket(protocol, live.state),
            socket: ClientSocket {
                netns: live.netns,
                inode: live.inode,
                cgroup: live.cgroup,
            },
        }
    }

    /// The namespace of the connection's service: the socket's, or, where the services of one
    /// namespace hold everywhere, that one. Of a service that was deleted it is not known any more
    /// once another one has its place.
    pub(super) fn service_namespace(&self, live: &LiveConnection) -> Namespace {
        let record = LiveService::at(&self.service_records, live.tuple.service)
            .filter(|record| record.use_number() == live.tuple.service_use);
        record.map_or(Namespace(live.netns), |record| {
            Namespace(record.key().netns)
        })
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
