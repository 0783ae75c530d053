//! A user of the machine who has very many sockets: the program `sockvs-socket-load`, in the test's
//! cgroup.

use std::{collections::BTreeMap, time::Duration};

use nix::errno::Errno;

use crate::{Conversation, Namespace, Testbed, binaries};

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(3600);
/// A user without rights.
pub const NOBODY: u32 = 65_534;
/// Another one.
pub const SOMEBODY: u32 = 4242;

/// How often each thing came of it.
pub type Counts = BTreeMap<String, u64>;

/// Such a user. All that it has is closed when this is dropped.
#[derive(Debug)]
pub struct SocketLoad(Conversation);

impl SocketLoad {
    /// Starts one in the testbed's namespace.
    #[must_use]
    pub fn start(testbed: &Testbed, user: u32) -> Self {
        Self::start_in(testbed, &testbed.namespace, user)
    }

    /// The same in another namespace.
    #[must_use]
    pub fn start_in(testbed: &Testbed, namespace: &Namespace, user: u32) -> Self {
        let place = testbed.place_in(namespace);
        let mut command = place.command(binaries::ours("sockvs-socket-load"));
        command.arg(user.to_string());
        let talk = Conversation::start(command, "sockvs-socket-load", &testbed.folder);
        Self(talk.with_limit(LIMIT))
    }

    /// Requests something, and tells what came of it.
    ///
    /// # Panics
    ///
    /// When it cannot be done at all.
    #[track_caller]
    pub fn run(&mut self, request: &str) -> Counts {
        let lines = self.0.must(request);
        lines.iter().map(|line| count(line)).collect()
    }

    /// Sends a datagram: who answers, and from which address.
    ///
    /// # Errors
    ///
    /// The errno of the call that failed.
    #[track_caller]
    pub fn ask(&mut self, service: &str) -> Result<String, Errno> {
        let answer = self.0.ask(&format!("ask {service}"))?;
        Ok(answer.concat())
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Ends it without warning.
    pub fn kill(self) {
        self.0.kill();
    }
}

fn count(line: &str) -> (String, u64) {
    let parts = line.rsplit_once(' ');
    let parts = parts.and_then(|(name, number)| Some((name.to_owned(), number.parse().ok()?)));
    parts.unwrap_or_else(|| panic!("neither a name nor a number: {line}"))
}
