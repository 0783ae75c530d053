//! Two machines' worth of network: a client's namespace and a server's, joined by a veth pair, and
//! a cgroup for the client's processes.
//!
//! Packets to virtual addresses are routed to a neighbour that does not exist. So a connection to a
//! service that nothing balances fails, and one that succeeds was balanced.

use std::fs;

use compat_tests::{Cgroup, Client, Conversation, Folder, Intercept, Namespace, Place};

use crate::services::{NETWORK, SERVERS};

const CLIENT: &str = "10.77.0.1";
const NOBODY: &str = "10.77.0.254";
const CLIENT_MAC: &str = "02:00:00:00:00:01";
const SERVER_MAC: &str = "02:00:00:00:00:02";
const NOBODY_MAC: &str = "02:00:00:00:00:fe";
const LINK: &str = "bench";

/// The place of one way of balancing. The order of the fields is the order in which they go.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) cgroup: Cgroup,
    pub(crate) client: Namespace,
    pub(crate) server: Namespace,
    pub(crate) folder: Folder,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self {
            cgroup: Cgroup::new(),
            client: Namespace::new(),
            server: Namespace::new(),
            folder: Folder::new(),
        };
        lab.join();
        lab.forget_closed_connections();
        lab
    }

    fn join(&self) {
        let (client, server) = (&self.client, &self.server);
        client.ip(&[
            "link",
            "add",
            LINK,
            "address",
            CLIENT_MAC,
            "type",
            "veth",
            "peer",
            "name",
            LINK,
            "address",
            SERVER_MAC,
            "netns",
            server.name(),
        ]);
        for end in [client, server] {
            // Nothing speaks on the link but what is measured.
            end.ip(&["link", "set", LINK, "addrgenmode", "none", "up"]);
        }
        client.ip(&["address", "add", &format!("{CLIENT}/24"), "dev", LINK]);
        neighbour(server, CLIENT, CLIENT_MAC);
        for address in SERVERS.map(|address| address.to_string()) {
            server.ip(&["address", "add", &format!("{address}/24"), "dev", LINK]);
            neighbour(client, &address, SERVER_MAC);
        }
        neighbour(client, NOBODY, NOBODY_MAC);
        client.ip(&["route", "add", NETWORK, "via", NOBODY]);
        // Direct routing leaves the virtual address in the packets: servers answer for it.
        server.ip(&["route", "add", "local", NETWORK, "dev", "lo"]);
    }

    /// Connections that a server has closed are not remembered for a minute: the next round would
    /// find more and more of its ports taken by them.
    fn forget_closed_connections(&self) {
        let setting = "/proc/sys/net/ipv4/tcp_max_tw_buckets";
        let forgotten = self.server.enter(|| fs::write(setting, "0"));
        forgotten.unwrap_or_else(|error| panic!("cannot write {setting}: {error}"));
    }

    /// Where the client's processes run.
    pub(crate) fn client_place(&self) -> Place {
        Place::new(&self.client).in_cgroup(&self.cgroup)
    }

    /// Where the servers run.
    pub(crate) fn server_place(&self) -> Place {
        Place::new(&self.server)
    }

    /// IPVS clients that the kernel's own IPVS answers.
    pub(crate) fn kernel_client(&self) -> Client {
        // There is no daemon, so there is no such socket.
        let socket = self.folder.path().join("none");
        Client::new(self.client_place(), socket, Intercept::Bpf)
    }

    /// Starts this program in one of its other roles.
    pub(crate) fn role(&self, place: &Place, words: &[&str]) -> Conversation {
        let ourselves = std::env::current_exe().expect("a process knows its program");
        let mut command = place.command(ourselves);
        command.args(words);
        Conversation::start(command, &words.join(" "), &self.folder)
    }
}

fn neighbour(of: &Namespace, address: &str, mac: &str) {
    of.ip(&[
        "neighbour",
        "add",
        address,
        "lladdr",
        mac,
        "dev",
        LINK,
        "nud",
        "permanent",
    ]);
}
