//! The connections of a namespace (`ip_vs_conn_seq_show`, `ip_vs_conn_sync_seq_show`).
//!
//! The sockets of open connections have no timer: the column `Expires` is the whole timeout of the
//! connection's state.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr},
};

use super::table::{groups, name};
use sockvs_ipvs::{Connection, DataPath, Table};

pub(super) fn text(table: &Table, path: &dyn DataPath) -> String {
    let heading =
        "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";
    lines(heading, table, path, "")
}

pub(super) fn text_synced(table: &Table, path: &dyn DataPath) -> String {
    let heading = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n";
    // Sync daemons make no connections here.
    lines(heading, table, path, "LOCAL  ")
}

fn lines(heading: &str, table: &Table, path: &dyn DataPath, origin: &str) -> String {
    let mut text = heading.to_owned();
    for connection in path.connections() {
        if connection.namespace == table.namespace() {
            // Writing to a string cannot fail.
            let _ = line(&mut text, &connection);
            let state = connection.state.name();
            let expires = connection.state.timeout(&table.timeouts());
            let _ = writeln!(text, " {state:<11} {origin}{expires:>7}");
        }
    }
    text
}

/// The columns that both files have.
fn line(text: &mut String, connection: &Connection) -> std::fmt::Result {
    let protocol = name(connection.protocol.into());
    let (client, virtually) = (connection.client, connection.virtually);
    let (from, to) = match (client.ip(), virtually.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (address(from.into()), address(to.into())),
        (from, to) => (groups(mapped(from)), groups(mapped(to))),
    };
    let server = address(connection.server.ip());
    write!(
        text,
        "{protocol:<3} {from} {:04X} {to} {:04X} {server} {:04X}",
        client.port(),
        virtually.port(),
        connection.server.port()
    )
}

fn address(addr: IpAddr) -> String {
    match addr {
        IpAddr::V4(addr) => format!("{:08X}", addr.to_bits()),
        IpAddr::V6(addr) => groups(addr),
    }
}

/// An address as an IPv6 socket sees it.
fn mapped(addr: IpAddr) -> Ipv6Addr {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped(),
        IpAddr::V6(addr) => addr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockvs_ipvs::{ClientSocket, ConnectionState, Namespace};

    fn written(client: &str, virtually: &str, server: &str) -> String {
        let connection = Connection {
            namespace: Namespace(1),
            protocol: 17,
            client: client.parse().unwrap(),
            virtually: virtually.parse().unwrap(),
            server: server.parse().unwrap(),
            state: ConnectionState::Udp,
            socket: ClientSocket::default(),
        };
        let mut text = String::new();
        line(&mut text, &connection).unwrap();
        text
    }

    #[test]
    fn addresses_have_the_form_of_the_service_and_the_server_its_own() {
        assert_eq!(
            written("10.0.0.9:40000", "10.0.0.1:53", "[fd00::2]:5353"),
            "UDP 0A000009 9C40 0A000001 0035 fd00:0000:0000:0000:0000:0000:0000:0002 14E9"
        );
        assert_eq!(
            written("10.0.0.9:40000", "[fd00::1]:53", "10.0.0.2:5353"),
            "UDP 0000:0000:0000:0000:0000:ffff:0a00:0009 9C40 \
             fd00:0000:0000:0000:0000:0000:0000:0001 0035 0A000002 14E9"
        );
    }
}
