//! Tables that are only programmed: there are no connections to their services.

use std::net::Ipv4Addr;

use crate::services::{CONNECT_PORT, virtual_address};

/// The first server's address. Each service has servers of its own.
const FIRST_SERVER: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);

/// So many services with so many servers each.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub(crate) services: u32,
    pub(crate) servers: u32,
}

impl Table {
    /// Its name.
    pub(crate) fn name(self) -> String {
        format!("{} x {}", self.services, self.servers)
    }

    /// What ipvsadm reads it from.
    pub(crate) fn rules(self) -> impl Iterator<Item = String> {
        (0..self.services).flat_map(move |number| {
            let service = virtual_address(number);
            let first = format!("-A -t {service}:{CONNECT_PORT} -s rr");
            let servers = (0..self.servers).map(move |server| {
                let server = FIRST_SERVER.to_bits() + number * self.servers + server;
                let server = Ipv4Addr::from_bits(server);
                format!("-a -t {service}:{CONNECT_PORT} -r {server}:{CONNECT_PORT} -m -w 1")
            });
            std::iter::once(first).chain(servers)
        })
    }

    /// How many rules that are.
    pub(crate) fn len(self) -> u32 {
        self.services * (1 + self.servers)
    }
}
