//! Scenarios of keepalived. The same one is played against each balancer: the kernel's own IPVS,
//! and sockvs.
//!
//! The configurations are in the folder `keepalived`, and are what an operator would write. A
//! scenario lets things happen to [`Host`]s, and says what `ipvsadm` shows then, rule by rule.
//! Where the kernel has IPVS (in the virtual machines), it is played there, too, and all listings
//! have to be the same.

mod balancer;
mod files;
mod ground;
mod neighbour;

use std::{fs, thread, time::Duration};

pub use balancer::Balancer;
use files::{rules_of, write_configuration};
use ground::Ground;
pub use neighbour::Neighbour;

use crate::{
    clients::{
        application::Application,
        client::Client,
        keepalived::{Keepalived, Parts},
    },
    environment::{folder::Folder, intercept::Intercept, namespace::Namespace},
    process::eventually::eventually,
    servers::host::Host,
    setups::testbed::Testbed,
};

/// How long a change may take to show: some rounds of checks, on a machine that is
/// emulated and busy.
const LIMIT: Duration = Duration::from_secs(120);

/// How long after a look the next one comes: each runs a program.
const PAUSE: Duration = Duration::from_millis(150);

/// A machine with keepalived, and others with real servers. The order of the fields is the order in
/// which they go.
#[derive(Debug)]
pub struct Scene {
    /// Who balances.
    pub balancer: Balancer,
    keepalived: Option<Keepalived>,
    /// A program of the same machine that connects to services.
    pub application: Application,
    /// The machines with the real servers.
    pub hosts: [Host; 2],
    configuration: String,
    shown: Vec<String>,
    /// IPVS clients of the machine.
    pub client: Client,
    ground: Ground,
}

/// Plays a scenario: against sockvs and, where clients run unwrapped and so can reach it, against
/// the kernel's own IPVS at the same time.
///
/// # Panics
///
/// When it goes wrong, or the two show something different.
#[track_caller]
pub fn play(script: impl Fn(&mut Scene) + Sync) {
    if Intercept::chosen() == Intercept::Seccomp {
        return play_by_sockvs(script);
    }
    let perform = |balancer| perform(balancer, &script);
    let (kernel, sockvs) = thread::scope(|scope| {
        let kernel = scope.spawn(|| perform(Balancer::Kernel));
        let sockvs = perform(Balancer::Sockvs);
        let kernel = kernel.join().unwrap_or_else(|panic| {
            eprintln!("with the kernel's own IPVS:");
            std::panic::resume_unwind(panic)
        });
        (kernel, sockvs)
    });
    for (kernel, sockvs) in kernel.iter().zip(&sockvs) {
        assert_eq!(sockvs, kernel, "sockvs, and the kernel's own IPVS");
    }
    assert_eq!(sockvs.len(), kernel.len(), "listings");
}

/// Plays a scenario against sockvs only.
///
/// # Panics
///
/// When it goes wrong.
#[track_caller]
pub fn play_by_sockvs(script: impl Fn(&mut Scene)) {
    perform(Balancer::Sockvs, &script);
}

/// What was shown.
fn perform(balancer: Balancer, script: &impl Fn(&mut Scene)) -> Vec<String> {
    let mut scene = Scene::new(balancer);
    script(&mut scene);
    if let Some(keepalived) = &mut scene.keepalived {
        keepalived.stop();
    }
    std::mem::take(&mut scene.shown)
}

impl Scene {
    fn new(balancer: Balancer) -> Self {
        let ground = Ground::new(balancer);
        let namespace = ground.namespace();
        let (application, client) = ground.people();
        Self {
            balancer,
            keepalived: None,
            application,
            hosts: [1, 2].map(|number| Host::new(namespace, number)),
            configuration: String::new(),
            shown: Vec::new(),
            client,
            ground,
        }
    }

    /// Another machine like this one, with a device `pair` on each that leads to the other:
    /// `10.7.0.1` here, `10.7.0.2` there.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn with_peer(&self) -> Self {
        let peer = Self::new(self.balancer);
        let (near, far) = (self.namespace(), peer.namespace());
        let name = far.name();
        near.ip_batch(&format!(
            "link add pair type veth peer name pair netns {name}"
        ));
        for (namespace, number) in [(near, 1), (far, 2)] {
            namespace.ip_batch(&format!(
                "address add 10.7.0.{number}/24 dev pair
                 link set pair up"
            ));
        }
        peer
    }

    /// The daemon and its surroundings.
    ///
    /// # Panics
    ///
    /// When the kernel balances.
    pub fn testbed(&mut self) -> &mut Testbed {
        match &mut self.ground {
            Ground::Sockvs(testbed) => testbed,
            Ground::Kernel { .. } => panic!("the kernel's own IPVS has no daemon"),
        }
    }

    /// The machine that keepalived runs on.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        self.ground.namespace()
    }

    /// Temporary files, `$DIR` in configurations.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        self.ground.folder()
    }

    /// Starts keepalived with a configuration of the folder `keepalived`. Only its checkers run.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[track_caller]
    pub fn start(&mut self, configuration: &str) {
        self.start_parts(configuration, Parts::Checkers);
    }

    /// Starts keepalived with these parts.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[track_caller]
    pub fn start_parts(&mut self, configuration: &str, parts: Parts) {
        configuration.clone_into(&mut self.configuration);
        let folder = self.folder();
        let file = write_configuration(folder, configuration);
        let keepalived = Keepalived::start_from(&self.client, folder.path(), &file, parts);
        self.keepalived = Some(keepalived);
    }

    /// Makes keepalived go over to another configuration.
    ///
    /// # Panics
    ///
    /// When it does not run.
    #[track_caller]
    pub fn reload(&mut self, configuration: &str) {
        configuration.clone_into(&mut self.configuration);
        write_configuration(self.folder(), configuration);
        self.keepalived().reload();
    }

    /// Waits until `ipvsadm` shows the state of this name, and keeps what it lists then. The states
    /// of a configuration are in the file beside it: each has its name after a `#`, and its rules.
    ///
    /// # Panics
    ///
    /// When it does not become so.
    #[track_caller]
    pub fn becomes(&mut self, state: &str) -> Duration {
        let rules = rules_of(&self.configuration, state);
        let state = format!("{state} of {}", self.configuration);
        self.shows_as(&state, &rules)
    }

    /// Waits until `ipvsadm --save` prints these rules, and keeps what it lists then.
    ///
    /// # Panics
    ///
    /// When it does not become so.
    #[track_caller]
    pub fn shows(&mut self, rules: &str) -> Duration {
        self.shows_as("these rules", rules)
    }

    #[track_caller]
    fn shows_as(&mut self, state: &str, expected: &str) -> Duration {
        let took = eventually(LIMIT, || {
            let saved = self.client.saved();
            if saved == expected {
                return Ok(());
            }
            thread::sleep(PAUSE);
            let balancer = self.balancer;
            Err(format!("{balancer:?}: not {state}\n{expected}but\n{saved}"))
        });
        self.keep("-L -n");
        took
    }

    /// Keeps what `ipvsadm` prints, to be compared.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn keep(&mut self, arguments: &str) -> String {
        let printed = self.client.ipvsadm(arguments);
        let listing = printed.lines().map(without_connections);
        let kept = listing.collect::<Vec<_>>().join("\n");
        self.shown.push(format!("ipvsadm {arguments}\n{kept}"));
        printed
    }

    /// Keeps what keepalived wrote to its log about IPVS, to be compared.
    ///
    /// # Panics
    ///
    /// When keepalived was not started.
    #[track_caller]
    pub fn keep_log(&mut self) -> String {
        let about = self.keepalived().says_of_ipvs();
        self.shown.push(format!("log\n{about}"));
        about
    }

    /// Waits until keepalived's log says this.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn logs(&mut self, text: &str) {
        let (balancer, keepalived) = (self.balancer, self.keepalived());
        eventually(LIMIT, || {
            let log = keepalived.log();
            let said = log.contains(text).then_some(());
            said.ok_or_else(|| format!("{balancer:?}: keepalived does not say {text:?}\n{log}"))
        });
    }

    /// The servers that a number of connections reach, one after another, in the order of their
    /// names.
    ///
    /// # Panics
    ///
    /// When one fails otherwise than by being refused.
    #[track_caller]
    pub fn reached(&mut self, address: &str, number: usize) -> Vec<String> {
        let mut reached = self.application.connect_many(address, number);
        reached.sort_unstable();
        reached
    }

    /// Waits until the configuration's scripts have written down these lines since this was asked
    /// last, in whatever order: they run side by side.
    ///
    /// # Panics
    ///
    /// When they do not.
    #[track_caller]
    pub fn notes_become(&self, expected: &[&str]) {
        let file = self.folder().path().join("notes");
        eventually(LIMIT, || {
            let notes = fs::read_to_string(&file).unwrap_or_default();
            let mut lines: Vec<&str> = notes.lines().collect();
            lines.sort_unstable();
            if lines == expected {
                return Ok(());
            }
            let balancer = self.balancer;
            Err(format!("{balancer:?}: not {expected:?}, but {lines:?}"))
        });
        self.folder().write("notes", "");
    }

    /// keepalived, which was started.
    ///
    /// # Panics
    ///
    /// When it was not.
    pub fn keepalived(&mut self) -> &mut Keepalived {
        self.keepalived.as_mut().expect("keepalived was started")
    }
}

/// A line of a listing without its counts of connections, as the kernel counts closed ones for a
/// while longer than there are sockets, and without the size of the table of connections.
fn without_connections(line: &str) -> &str {
    if line.starts_with("IP Virtual Server") {
        return line.split(" (size").next().unwrap_or(line);
    }
    let server = line.trim_start().starts_with("->") && !line.contains("RemoteAddress");
    let words = line.split_whitespace().count();
    if server && words == 6 {
        let end = line.rfind(|c: char| c.is_ascii_digit()).unwrap_or(0);
        let last_but_one = line[..end]
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .trim_end();
        return last_but_one
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .trim_end();
    }
    line
}
