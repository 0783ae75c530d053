//! A sockvsd of a test's own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    environment::{cgroup::Cgroup, folder::Folder, intercept::Intercept, place::Place},
    process::{
        binaries,
        leftovers::clean_up,
        name,
        program::{self, Outcome},
    },
};

/// How long it may take to start or to end: some seconds of an emulated processor, which others
/// use, too.
const LIMIT: Duration = Duration::from_secs(120);

/// A version of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The one that is tested.
    This,
    /// One whose maps have another layout.
    OtherLayout,
}

impl Version {
    fn program(self) -> PathBuf {
        binaries::ours(match self {
            Self::This => "sockvsd",
            Self::OtherLayout => "sockvsd-other-layout",
        })
    }
}

/// A running daemon. When it is dropped, it ends, and all that it pinned is removed.
#[derive(Debug)]
pub struct Daemon {
    child: Option<Child>,
    place: Place,
    arguments: Vec<String>,
    log_filter: String,
    socket: PathBuf,
    pin_dir: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Starts one at `place` that balances the connections of `cgroup`, and waits until it serves.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start(
        place: Place,
        cgroup: &Cgroup,
        folder: &Folder,
        intercept: Intercept,
        more: &[&str],
    ) -> Self {
        let filter = "info,sockvs=debug";
        Self::start_logging(filter, place, cgroup, folder, intercept, more)
    }

    /// The same, with what it logs: `SOCKVS_LOG`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start_logging(
        filter: &str,
        place: Place,
        cgroup: &Cgroup,
        folder: &Folder,
        intercept: Intercept,
        more: &[&str],
    ) -> Self {
        let socket = folder.path().join("sockvs.sock");
        let pin_dir = Path::new("/sys/fs/bpf").join(name::unique());
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut arguments = vec!["--intercept".to_owned(), intercept.name().to_owned()];
        arguments.extend(["--cgroup".to_owned(), text(cgroup.path())]);
        arguments.extend(["--pin-dir".to_owned(), text(&pin_dir)]);
        arguments.extend(["--socket".to_owned(), text(&socket)]);
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        let log = folder.path().join("sockvsd.log");
        let mut daemon = Self {
            child: None,
            place,
            arguments,
            log_filter: filter.to_owned(),
            socket,
            pin_dir,
            log,
        };
        daemon.start_again();
        daemon
    }

    /// Gives an option that it was started with another value, from the next start on.
    ///
    /// # Panics
    ///
    /// When it was not started with it.
    pub fn set_option(&mut self, name: &str, value: &str) {
        let at = self.arguments.iter().position(|word| word == name);
        let at = at.unwrap_or_else(|| panic!("the daemon was started without {name}"));
        value.clone_into(&mut self.arguments[at + 1]);
    }

    /// Starts it once more, after [`stop`](Self::stop) or [`kill`](Self::kill).
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start_again(&mut self) {
        self.start_again_as(Version::This);
    }

    /// The same with a version of one's choice: an upgrade, or the way back.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start_again_as(&mut self, version: Version) {
        self.begin_again_as(version);
        self.await_ready();
    }

    /// The same without waiting until it serves.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn begin_again_as(&mut self, version: Version) {
        assert!(self.child.is_none(), "the daemon runs already");
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.expect("cannot make the daemon's log");
        let mut command = self.place.command(version.program());
        command
            .args(&self.arguments)
            .env("SOCKVS_LOG", &self.log_filter)
            .env("NO_COLOR", "1");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().expect("cannot start sockvsd"));
    }

    /// Waits until it serves, after [`begin_again_as`](Self::begin_again_as).
    ///
    /// # Panics
    ///
    /// When it does not get ready.
    pub fn await_ready(&mut self) {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.ended() {
                self.child = None;
                panic!("sockvsd ended at once: {status}\n{}", self.log());
            }
            if self.is_ready() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "sockvsd does not get ready\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it serves.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        // Asked only when the socket exists: a program for every try costs more than waiting.
        self.socket.exists() && self.status().status.success()
    }

    /// Whether it has ended, for any reason.
    ///
    /// # Panics
    ///
    /// When it cannot be waited for.
    #[must_use]
    pub fn has_ended(&mut self) -> bool {
        self.ended().is_some()
    }

    /// Ends it as a service manager would. Its data path stays.
    ///
    /// # Panics
    ///
    /// When it does not end as it should.
    pub fn stop(&mut self) {
        let status = self.end(Signal::SIGTERM);
        assert!(
            status.success(),
            "sockvsd ended by SIGTERM: {status}\n{}",
            self.log()
        );
    }

    /// Ends it without warning.
    ///
    /// # Panics
    ///
    /// When it is not running.
    pub fn kill(&mut self) {
        self.end(Signal::SIGKILL);
    }

    /// Keeps it from running, as if it got no processor, until it is [thawed](Self::thaw).
    ///
    /// # Panics
    ///
    /// When it is not running.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it run again after [`freeze`](Self::freeze).
    ///
    /// # Panics
    ///
    /// When it is not running.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// `sockvs status --json` of it.
    #[must_use]
    pub fn status(&self) -> Outcome {
        let mut command = Command::new(binaries::ours("sockvs"));
        command
            .arg("--socket")
            .arg(&self.socket)
            .args(["status", "--json"]);
        program::run(command)
    }

    /// Its process id.
    ///
    /// # Panics
    ///
    /// When it is not running.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the daemon is not running").id()
    }

    /// Its control socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where it pins.
    #[must_use]
    pub fn pin_dir(&self) -> &Path {
        &self.pin_dir
    }

    /// What it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("process ids are small");
        let _ = kill(Pid::from_raw(pid), signal);
    }

    fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        // One that was frozen ends only when it runs.
        self.signal(Signal::SIGCONT);
        let mut child = self.child.take().expect("the daemon is not running");
        let deadline = Instant::now() + LIMIT;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return status,
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Ok(None) | Err(_) => {
                    let _ = child.kill();
                    return child.wait().expect("cannot wait for sockvsd");
                }
            }
        }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child
            .as_mut()?
            .try_wait()
            .expect("cannot wait for sockvsd")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let last: Vec<&str> = log.lines().rev().take(20).collect();
            eprintln!("--- the end of sockvsd's log");
            last.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        clean_up(|| {
            let status = self.child.is_some().then(|| self.end(Signal::SIGTERM));
            let detached = detach_all(&self.pin_dir, &self.socket);
            if let Some(status) = status.filter(|status| !status.success()) {
                return Err(format!("a sockvsd that ended with {status}"));
            }
            if self.pin_dir.exists() || !detached.status.success() {
                return Err(format!("{}: {detached}", self.pin_dir.display()));
            }
            Ok(())
        });
    }
}

/// Runs `sockvsd --detach-all` for a daemon that pinned here and listened there.
#[must_use]
pub fn detach_all(pin_dir: &Path, socket: &Path) -> Outcome {
    let mut detach = Command::new(binaries::ours("sockvsd"));
    detach.arg("--detach-all").arg("--pin-dir").arg(pin_dir);
    detach.arg("--socket").arg(socket);
    program::run(detach)
}
