//! Running IPVS clients so that the daemon answers them.

use std::{ffi::OsString, path::PathBuf, process::Command};

use crate::{
    clients::conversation::Conversation,
    environment::{folder::Folder, intercept::Intercept, place::Place},
    process::{
        binaries,
        program::{self, Outcome},
    },
};

/// A place where programs run as a user of the machine would run IPVS clients.
#[derive(Debug)]
pub struct Client {
    place: Place,
    socket: PathBuf,
    intercept: Intercept,
}

impl Client {
    /// Programs that run at `place`, with the daemon at `socket`.
    #[must_use]
    pub fn new(place: Place, socket: PathBuf, intercept: Intercept) -> Self {
        Self {
            place,
            socket,
            intercept,
        }
    }

    /// The words of a command that the daemon will answer.
    #[must_use]
    pub fn words(&self, program: &str) -> Vec<OsString> {
        let program = OsString::from(program);
        match self.intercept {
            Intercept::Bpf => vec![program],
            Intercept::Seccomp => {
                let (sockvs, socket) =
                    (binaries::ours("sockvs").into(), self.socket.clone().into());
                vec![
                    sockvs,
                    "--socket".into(),
                    socket,
                    "exec".into(),
                    "--".into(),
                    program,
                ]
            }
        }
    }

    /// A command that the daemon will answer.
    ///
    /// # Panics
    ///
    /// When this process has no descriptors left.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let words = self.words(program);
        let (first, rest) = words.split_first().expect("at least the program");
        let mut command = self.place.command(first);
        command.args(rest);
        command
    }

    /// A command that runs as it is.
    #[must_use]
    pub fn unwrapped(&self, program: &str) -> Command {
        self.place.command(program)
    }

    /// Runs a program with blank-separated arguments.
    #[must_use]
    pub fn run(&self, program: &str, arguments: &str) -> Outcome {
        let mut command = self.command(program);
        command.args(arguments.split_whitespace());
        program::run(command)
    }

    /// Runs `ipvsadm`.
    #[must_use]
    pub fn try_ipvsadm(&self, arguments: &str) -> Outcome {
        self.run("ipvsadm", arguments)
    }

    /// Runs `ipvsadm`, which must succeed, and gives what it prints.
    ///
    /// # Panics
    ///
    /// When it does not succeed.
    #[track_caller]
    pub fn ipvsadm(&self, arguments: &str) -> String {
        self.try_ipvsadm(arguments).expect_success()
    }

    /// Feeds rules to `ipvsadm -R`, which must succeed.
    ///
    /// # Panics
    ///
    /// When it does not succeed.
    #[track_caller]
    pub fn restore(&self, rules: &str) {
        let mut command = self.command("ipvsadm");
        command.arg("-R");
        program::run_with_input(command, rules).expect_success();
    }

    /// What `ipvsadm -S -n` prints: the whole table but for its counters.
    ///
    /// # Panics
    ///
    /// When it does not succeed.
    #[must_use]
    #[track_caller]
    pub fn saved(&self) -> String {
        self.ipvsadm("-S -n")
    }

    /// Starts a program of this workspace that is talked with.
    #[must_use]
    pub fn talk(&self, program: &str, folder: &Folder) -> Conversation {
        let path = binaries::ours(program);
        Conversation::start(self.command(&path.to_string_lossy()), program, folder)
    }
}
