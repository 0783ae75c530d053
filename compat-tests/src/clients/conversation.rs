//! Talking with a program line by line.
//!
//! A request is a line of words. The answer is any number of lines, each after a tab, and then
//! `ok`, or `errno` and a number. The programs of this package (`answering`) and the Python client
//! speak this.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::fd::AsFd as _,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    environment::folder::Folder,
    process::{leftovers::clean_up, name},
};

/// A shell that does what it is told, and says `errno` and the exit status where that is not 0.
pub const SHELL: &str = r#"while read -r line; do
    if text=$(eval "$line" 2>&1); then
        test -z "$text" || printf '%s\n' "$text" | sed 's/^/\t/'
        echo ok
    else
        echo "errno $?"
    fi
done"#;

/// How long an answer may take, unless something else is said.
const LIMIT: Duration = Duration::from_secs(60);

/// A program that is talked with. It ends when this is dropped.
#[derive(Debug)]
pub struct Conversation {
    name: String,
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    complaints: PathBuf,
    limit: Duration,
}

impl Conversation {
    /// Starts a program. What it writes to its standard error is kept in `folder`.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, name: &str, folder: &Folder) -> Self {
        let complaints = folder.path().join(format!("{}.stderr", name::unique()));
        let stderr = File::create(&complaints).expect("cannot make a file for complaints");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        Self {
            name: name.to_owned(),
            child,
            to,
            from,
            complaints,
            limit: LIMIT,
        }
    }

    /// Gives it more time for an answer.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Asks for something, and gives the answer or the errno.
    ///
    /// # Panics
    ///
    /// When the program is gone, does not answer in time, or says something else.
    #[track_caller]
    pub fn ask(&mut self, request: &str) -> Result<Vec<String>, Errno> {
        let to = self.to.as_mut().expect("open until dropped");
        if let Err(error) = writeln!(to, "{request}").and_then(|()| to.flush()) {
            panic!(
                "{} takes no request {request:?}: {error}\n{}",
                self.name,
                self.complaints()
            );
        }
        let mut lines = Vec::new();
        loop {
            let line = self.line(request);
            match line.strip_prefix('\t') {
                Some(line) => lines.push(line.to_owned()),
                None if line == "ok" => return Ok(lines),
                None => match line
                    .strip_prefix("errno ")
                    .and_then(|number| number.parse().ok())
                {
                    Some(number) => return Err(Errno::from_raw(number)),
                    None => panic!(
                        "{} answers {line:?} to {request:?}\n{}",
                        self.name,
                        self.complaints()
                    ),
                },
            }
        }
    }

    /// Asks for something that must work.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn must(&mut self, request: &str) -> Vec<String> {
        match self.ask(request) {
            Ok(lines) => lines,
            Err(errno) => panic!("{} {request}: {errno}\n{}", self.name, self.complaints()),
        }
    }

    /// Ends the program without warning.
    ///
    /// # Panics
    ///
    /// When it cannot be ended.
    pub fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// The program's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    #[track_caller]
    fn line(&mut self, request: &str) -> String {
        if self.from.buffer().is_empty() {
            let mut ready = [PollFd::new(self.from.get_ref().as_fd(), PollFlags::POLLIN)];
            let limit = PollTimeout::try_from(self.limit).unwrap_or(PollTimeout::MAX);
            if poll(&mut ready, limit) == Ok(0) {
                panic!(
                    "{} does not answer {request:?}\n{}",
                    self.name,
                    self.complaints()
                );
            }
        }
        let mut line = String::new();
        match self.from.read_line(&mut line) {
            Ok(1..) => line.trim_end_matches('\n').to_owned(),
            Ok(0) | Err(_) => panic!("{} ended at {request:?}\n{}", self.name, self.complaints()),
        }
    }

    fn complaints(&self) -> String {
        fs::read_to_string(&self.complaints).unwrap_or_default()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        clean_up(|| {
            // Programs that are talked with end when their standard input ends.
            self.to = None;
            for _ in 0..400 {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
            Err(format!("{}, which did not end by itself", self.name))
        });
    }
}
