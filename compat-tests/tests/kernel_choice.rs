//! Whom schedulers choose: the kernel's own IPVS in one namespace, sockvs in another, the same
//! events in both, and the servers that connections reach compared one by one.
//!
//! Connections stay open while a sequence runs: the kernel counts closed ones for a while longer
//! than there are sockets (docs/compatibility.md). `twos` draws lots, so that there is nothing to
//! compare.

use std::net::IpAddr;

use compat_tests::{
    Application, Client, Intercept, Namespace, Place, Server, Talk, Testbed, application::Socket,
};

const SERVICE: &str = "10.9.0.1:80";
const SERVERS: [&str; 4] = ["10.9.0.11", "10.9.0.12", "10.9.0.13", "10.9.0.14"];

/// What happens, one after another.
enum Event {
    /// `ipvsadm` with these words.
    Ipvsadm(&'static str),
    /// So many connections, each from the next client's address.
    Connect(u8),
}
use Event::{Connect, Ipvsadm};

/// A namespace with the addresses and the servers, and the balancer there.
struct Side {
    client: Client,
    application: Application,
    opened: usize,
    _servers: Vec<Server>,
}

impl Side {
    fn new(namespace: &Namespace, client: Client, application: Application) -> Self {
        for address in SERVERS.iter().chain(&["10.9.0.1"]) {
            namespace.add_address(&format!("{address}/32"));
        }
        let servers = SERVERS.map(|host| {
            let address = format!("{host}:80").parse().expect("an address and a port");
            Server::start(namespace, host, address, Talk::Greeting)
        });
        Self {
            client,
            application,
            opened: 0,
            _servers: servers.into(),
        }
    }

    /// Lets things happen: the servers that connections reached, or the errors.
    fn run(&mut self, events: &[Event]) -> Vec<String> {
        let mut reached = Vec::new();
        for event in events {
            match event {
                Ipvsadm(words) => {
                    self.client.ipvsadm(words);
                }
                Connect(number) => {
                    for _ in 0..*number {
                        let id = format!("connection-{}", self.opened);
                        self.opened += 1;
                        // Addresses whose hashes have little in common.
                        let client = u8::try_from(self.opened * 37 % 251).expect("small");
                        let from = Socket::From(IpAddr::from([127, client, client / 3, 9]));
                        let server = self.application.open_by(from, &id, SERVICE);
                        reached.push(server.unwrap_or_else(|errno| errno.to_string()));
                    }
                }
            }
        }
        reached
    }
}

/// Compares a scheduler's choices. The service has four servers of weights 1, 2, 3 and 1.
#[track_caller]
fn compare(scheduler: &str, events: &[Event]) {
    let testbed = Testbed::new();
    let kernels = Namespace::new();
    let socket = testbed.daemon.socket().to_owned();
    let client = Client::new(Place::new(&kernels), socket, Intercept::Bpf);
    let application = Application::start(&Place::new(&kernels), &testbed.folder);
    let mut kernel = Side::new(&kernels, client, application);
    let ours = testbed.client_in(&testbed.namespace);
    let mut ours = Side::new(&testbed.namespace, ours, testbed.application());
    let mut rules = format!("-A -t {SERVICE} -s {scheduler}\n");
    for (server, weight) in SERVERS.iter().zip([1, 2, 3, 1]) {
        rules += &format!("-a -t {SERVICE} -r {server}:80 -m -w {weight}\n");
    }
    for side in [&mut kernel, &mut ours] {
        side.client.restore(&rules);
    }
    let (theirs, ours) = (kernel.run(events), ours.run(events));
    assert_eq!(ours, theirs, "{scheduler}: ours, and the kernel's");
    kernel.client.ipvsadm("-C");
}

const WEIGHTS: &[Event] = &[
    Connect(12),
    Ipvsadm("-e -t 10.9.0.1:80 -r 10.9.0.12:80 -m -w 5"),
    Connect(9),
    Ipvsadm("-e -t 10.9.0.1:80 -r 10.9.0.13:80 -m -w 0"),
    Connect(9),
    Ipvsadm("-d -t 10.9.0.1:80 -r 10.9.0.12:80"),
    Connect(6),
    Ipvsadm("-a -t 10.9.0.1:80 -r 10.9.0.12:80 -m -w 2"),
    Connect(10),
];

macro_rules! schedulers {
    ($($name:ident: $scheduler:literal;)*) => {
        $(#[test]
        fn $name() {
            compare($scheduler, WEIGHTS);
        })*
    };
}

schedulers! {
    rr_chooses_as_the_kernels: "rr";
    wrr_chooses_as_the_kernels: "wrr";
    lc_chooses_as_the_kernels: "lc";
    wlc_chooses_as_the_kernels: "wlc";
    sed_chooses_as_the_kernels: "sed";
    nq_chooses_as_the_kernels: "nq";
    fo_chooses_as_the_kernels: "fo";
    ovf_chooses_as_the_kernels: "ovf";
    dh_chooses_as_the_kernels: "dh";
    sh_chooses_as_the_kernels: "sh";
    sh_with_fallback_chooses_as_the_kernels: "sh -b sh-fallback";
    mh_chooses_as_the_kernels: "mh";
    mh_with_fallback_chooses_as_the_kernels: "mh -b mh-fallback";
    lblc_chooses_as_the_kernels: "lblc";
    lblcr_chooses_as_the_kernels: "lblcr";
    persistence_chooses_as_the_kernels: "wlc -p 300 -M 255.192.0.0";
}

#[test]
fn thresholds_pass_servers_over_as_the_kernels() {
    compare(
        "rr",
        &[
            Ipvsadm("-e -t 10.9.0.1:80 -r 10.9.0.11:80 -m -w 1 -x 3 -y 2"),
            Ipvsadm("-e -t 10.9.0.1:80 -r 10.9.0.12:80 -m -w 1 -x 5"),
            Connect(20),
        ],
    );
}
