//! Running a program to its end, within a limit of time.

use std::{
    fmt,
    io::{Read, Write as _},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a program may take. None of them takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(60);

/// What came of a program.
#[derive(Debug)]
pub struct Outcome {
    command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Outcome {
    /// What it printed. It must have succeeded.
    ///
    /// # Panics
    ///
    /// When it has not.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(self.status.success(), "{self}");
        self.stdout
    }

    /// The exit status, or none if a signal ended the program.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            status,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "{command}: {status}\n--- stdout\n{stdout}--- stderr\n{stderr}---"
        )
    }
}

/// Runs a program that reads nothing.
///
/// # Panics
///
/// When it cannot be started or does not end in time.
#[must_use]
pub fn run(command: Command) -> Outcome {
    run_with_input(command, "")
}

/// Runs a program that reads `input`.
///
/// # Panics
///
/// When it cannot be started or does not end in time.
#[must_use]
pub fn run_with_input(mut command: Command, input: &str) -> Outcome {
    let name = describe(&command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: cannot be started: {error}"));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        scope.spawn(move || {
            // A program may end without reading everything.
            let _ = stdin.map(|mut stdin| stdin.write_all(input.as_bytes()));
        });
        let stdout = scope.spawn(move || read_all(stdout));
        let stderr = scope.spawn(move || read_all(stderr));
        let deadline = Instant::now() + LIMIT;
        let mut pause = Duration::from_micros(200);
        let (status, in_time) = loop {
            if let Some(status) = child.try_wait().expect("cannot wait for a child") {
                break (status, true);
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                break (child.wait().expect("cannot wait for a child"), false);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        };
        let outcome = Outcome {
            command: name,
            status,
            stdout: stdout.join().unwrap_or_default(),
            stderr: stderr.join().unwrap_or_default(),
        };
        assert!(in_time, "did not end in {LIMIT:?}: {outcome}");
        outcome
    })
}

fn read_all(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
