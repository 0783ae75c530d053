//! A small world for one test: a namespace, a cgroup, a folder, and a daemon that serves them.

use std::net::SocketAddr;

use crate::{
    clients::{
        application::Application, client::Client, conversation::Conversation,
        ipvs_clients::IpvsClient, raw_client::RawClient,
    },
    environment::{
        cgroup::Cgroup, daemon::Daemon, folder::Folder, intercept::Intercept, namespace::Namespace,
        place::Place, root, turn::Turn,
    },
    servers::{
        datagram_server::DatagramServer,
        server::{Server, Talk},
    },
};

/// A daemon and its surroundings. The order of the fields is the order in which they go.
#[derive(Debug)]
pub struct Testbed {
    /// The daemon.
    pub daemon: Daemon,
    /// The cgroup whose processes' connections it balances.
    pub cgroup: Cgroup,
    /// The namespace that the daemon and everything else is in.
    pub namespace: Namespace,
    /// Temporary files.
    pub folder: Folder,
    client: Client,
    intercept: Intercept,
    _turn: Turn,
}

impl Testbed {
    /// Makes one, and starts the daemon.
    ///
    /// # Panics
    ///
    /// When something of it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(&[])
    }

    /// The same, with more options for the daemon.
    ///
    /// # Panics
    ///
    /// When something of it cannot be made.
    #[must_use]
    pub fn with_options(options: &[&str]) -> Self {
        let intercept = Intercept::chosen();
        Self::make(options, intercept, Turn::shared)
    }

    /// The same, with a daemon that serves the clients of every namespace. Those that run under
    /// `sockvs exec` it always serves.
    ///
    /// # Panics
    ///
    /// When something of it cannot be made.
    #[must_use]
    pub fn serving_all_namespaces() -> Self {
        let intercept = Intercept::chosen();
        let options: &[&str] = match intercept {
            Intercept::Seccomp => &[],
            Intercept::Bpf => &["--netns", "all"],
        };
        Self::make(options, intercept, Turn::alone)
    }

    fn make(options: &[&str], intercept: Intercept, turn: fn(Intercept) -> Turn) -> Self {
        root::require();
        let turn = turn(intercept);
        let folder = Folder::new();
        let namespace = Namespace::new();
        let cgroup = Cgroup::new();
        let place = Place::new(&namespace);
        let daemon = Daemon::start(place, &cgroup, &folder, intercept, options);
        let place = Place::new(&namespace).in_cgroup(&cgroup);
        let client = Client::new(place, daemon.socket().to_owned(), intercept);
        Self {
            daemon,
            cgroup,
            namespace,
            folder,
            client,
            intercept,
            _turn: turn,
        }
    }

    /// IPVS clients in the testbed's namespace.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// IPVS clients in another namespace.
    #[must_use]
    pub fn client_in(&self, namespace: &Namespace) -> Client {
        let place = Place::new(namespace).in_cgroup(&self.cgroup);
        Client::new(place, self.daemon.socket().to_owned(), self.intercept)
    }

    /// Runs `ipvsadm` in the testbed's namespace. It must succeed.
    ///
    /// # Panics
    ///
    /// When it does not succeed.
    #[track_caller]
    pub fn ipvsadm(&self, arguments: &str) -> String {
        self.client.ipvsadm(arguments)
    }

    /// Starts a program of this workspace as an IPVS client that is talked with.
    #[must_use]
    pub fn talk(&self, program: &str) -> Conversation {
        self.client.talk(program, &self.folder)
    }

    /// A client of single bytes.
    #[must_use]
    pub fn raw_client(&self) -> RawClient {
        RawClient::start(&self.client, &self.folder)
    }

    /// The same without the right to administer the network.
    #[must_use]
    pub fn raw_client_without_rights(&self) -> RawClient {
        RawClient::without_rights(&self.client, &self.folder)
    }

    /// One IPVS client of each kind.
    #[must_use]
    pub fn ipvs_clients(&self) -> [IpvsClient<'_>; 3] {
        IpvsClient::all(&self.client, &self.folder)
    }

    /// Where applications run: in the namespace, and in the cgroup.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place_in(&self.namespace)
    }

    /// The same in another namespace.
    #[must_use]
    pub fn place_in(&self, namespace: &Namespace) -> Place {
        Place::new(namespace).in_cgroup(&self.cgroup)
    }

    /// An application that connects where it is told to.
    #[must_use]
    pub fn application(&self) -> Application {
        Application::start(&self.place(), &self.folder)
    }

    /// The same in another namespace.
    #[must_use]
    pub fn application_in(&self, namespace: &Namespace) -> Application {
        Application::start(&self.place_in(namespace), &self.folder)
    }

    /// A server that greets with its name.
    ///
    /// # Panics
    ///
    /// When it cannot listen at `address`.
    #[must_use]
    #[track_caller]
    pub fn server(&self, name: &str, address: &str) -> Server {
        let address: SocketAddr = address.parse().expect("an address and a port");
        Server::start(&self.namespace, name, address, Talk::Greeting)
    }

    /// A server that answers each datagram with its name.
    ///
    /// # Panics
    ///
    /// When it cannot have `address`.
    #[must_use]
    #[track_caller]
    pub fn datagram_server(&self, name: &str, address: &str) -> DatagramServer {
        let address: SocketAddr = address.parse().expect("an address and a port");
        DatagramServer::start(&self.namespace, name, address)
    }
}

impl Default for Testbed {
    fn default() -> Self {
        Self::new()
    }
}
