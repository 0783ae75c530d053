//! A user of the machine who has very many sockets: the program `sockvs-socket-load`, in the test's
//! cgroup.

use std::{collections::BTreeMap, time::Duration};

use nix::errno::Errno;

pub use crate::environment::user::NOBODY;
use crate::{
    clients::conversation::Conversation, environment::namespace::Namespace, process::binaries,
    setups::testbed::Testbed,
};

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(3600);
/// A user without rights, beside [`NOBODY`].
pub const OTHER_USER: u32 = 4242;

/// How often each thing came of it.
pub type Counts = BTreeMap<String, u64>;

/// How many sockets one process has at most: fewer than it may have descriptors.
const PER_PROCESS: u64 = 18_000;

/// A user with more sockets than one process may have. All are closed when this is dropped.
#[derive(Debug)]
pub struct Crowd(Vec<SocketLoad>);

impl Crowd {
    /// Starts as many processes as so many sockets need.
    #[must_use]
    pub fn start(testbed: &Testbed, user: u32, sockets: u64) -> Self {
        let processes = 0..sockets.div_ceil(PER_PROCESS);
        Self(
            processes
                .map(|_| SocketLoad::start(testbed, user))
                .collect(),
        )
    }

    /// Requests something of so many sockets, and tells what came of it.
    ///
    /// # Panics
    ///
    /// When it cannot be done at all.
    #[track_caller]
    pub fn run(&mut self, verb: &str, sockets: u64, rest: &str) -> Counts {
        let mut left = sockets;
        let mut all = Counts::new();
        for load in &mut self.0 {
            let some = left.min(PER_PROCESS);
            left -= some;
            for (name, number) in load.run(&format!("{verb} {some} {rest}")) {
                *all.entry(name).or_default() += number;
            }
        }
        all
    }
}

/// Such a user. All that it has is closed when this is dropped.
#[derive(Debug)]
pub struct SocketLoad(Option<Conversation>);

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
        Self(Some(talk.with_limit(LIMIT)))
    }

    /// Requests something, and tells what came of it.
    ///
    /// # Panics
    ///
    /// When it cannot be done at all.
    #[track_caller]
    pub fn run(&mut self, request: &str) -> Counts {
        let lines = self.talk().must(request);
        lines.iter().map(|line| count(line)).collect()
    }

    /// Sends a datagram: who answers, and from which address.
    ///
    /// # Errors
    ///
    /// The errno of the call that failed.
    #[track_caller]
    pub fn ask(&mut self, service: &str) -> Result<String, Errno> {
        let answer = self.talk().ask(&format!("ask {service}"))?;
        Ok(answer.concat())
    }

    /// Ends it without warning.
    ///
    /// # Panics
    ///
    /// When it cannot be ended.
    pub fn kill(mut self) {
        if let Some(talk) = self.0.take() {
            talk.kill();
        }
    }

    fn talk(&mut self) -> &mut Conversation {
        self.0.as_mut().expect("there until it is killed")
    }
}

impl Drop for SocketLoad {
    fn drop(&mut self) {
        // What takes longer than a program may take to end.
        if !std::thread::panicking()
            && let Some(talk) = &mut self.0
        {
            talk.must("close");
        }
    }
}

fn count(line: &str) -> (String, u64) {
    let parts = line.rsplit_once(' ');
    let parts = parts.and_then(|(name, number)| Some((name.to_owned(), number.parse().ok()?)));
    parts.unwrap_or_else(|| panic!("neither a name nor a number: {line}"))
}
