//! The IPVS clients that the tests compare: ipvsadm, one in Rust on neli, one in Python on
//! pyroute2.
//!
//! All are asked in ipvsadm's words and answer in them: `-S -n` gives rules, `-L -n --stats` a line
//! for each service and server with its counters, `-L --timeout` the time-outs. With `-R` come
//! rules with a `;` between them.

use std::fmt;

use crate::{
    clients::{client::Client, conversation::Conversation},
    environment::folder::Folder,
    process::{binaries, program},
};

/// A client.
pub enum IpvsClient<'t> {
    /// ipvsadm, a process for each request.
    Ipvsadm(&'t Client),
    /// Another one, one process for all requests.
    Other(&'static str, Box<Conversation>),
}

impl<'t> IpvsClient<'t> {
    /// One of each kind, in the place of these clients.
    #[must_use]
    pub fn all(client: &'t Client, folder: &Folder) -> [Self; 3] {
        let script = folder.write(
            "ipvs_client.py",
            include_str!("../../python/ipvs_client.py"),
        );
        let mut python = client.command(&binaries::python().to_string_lossy());
        python.arg(script);
        let python = Conversation::start(python, "the Python client", folder);
        [
            Self::Ipvsadm(client),
            Self::Other("neli", Box::new(client.talk("sockvs-neli-client", folder))),
            Self::Other("pyroute2", Box::new(python)),
        ]
    }

    /// Asks for something: what the client says, or its complaint.
    ///
    /// # Errors
    ///
    /// When the family refuses.
    pub fn ask(&mut self, request: &str) -> Result<Vec<String>, String> {
        match self {
            Self::Ipvsadm(client) => ipvsadm(client, request),
            Self::Other(_, client) => client.ask(request).map_err(|errno| errno.to_string()),
        }
    }

    /// Asks for something that must work.
    ///
    /// # Panics
    ///
    /// When the family refuses.
    #[track_caller]
    pub fn must(&mut self, request: &str) -> Vec<String> {
        match self.ask(request) {
            Ok(lines) => lines,
            Err(error) => panic!("{self}: {request}: {error}"),
        }
    }

    /// The rules of the whole table, sorted: clients list them in different orders.
    ///
    /// # Panics
    ///
    /// When the family refuses.
    #[track_caller]
    pub fn rules(&mut self) -> Vec<String> {
        let mut rules = self.must("-S -n");
        rules.sort_unstable();
        rules
    }
}

impl fmt::Display for IpvsClient<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipvsadm(_) => f.write_str("ipvsadm"),
            Self::Other(name, _) => f.write_str(name),
        }
    }
}

fn ipvsadm(client: &Client, request: &str) -> Result<Vec<String>, String> {
    let (arguments, input) = match request.strip_prefix("-R ") {
        Some(rules) => ("-R", rules.replace(" ; ", "\n") + "\n"),
        None => (request, String::new()),
    };
    let mut command = client.command("ipvsadm");
    command.args(arguments.split_whitespace());
    let listing = request.contains("--stats");
    if listing {
        command.arg("--exact");
    }
    let outcome = program::run_with_input(command, &input);
    if !outcome.status.success() {
        return Err(outcome.to_string());
    }
    let heading = if listing { 3 } else { 0 };
    let lines = outcome.stdout.lines().skip(heading);
    Ok(lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect())
}
