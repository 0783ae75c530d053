//! A stock keepalived that programs virtual servers and checks the real ones.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    clients::client::Client,
    environment::folder::Folder,
    process::{eventually::eventually, leftovers::clean_up},
};

/// How long it may take to end: it waits for its children, which remove their virtual servers.
const LIMIT: Duration = Duration::from_secs(20);

/// The processes that keepalived consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Its checkers only, as with `virtual_server` blocks and no VRRP instance.
    Checkers,
    /// Whatever the configuration asks for.
    All,
}

/// A running keepalived. It is ended when this is dropped.
#[derive(Debug)]
pub struct Keepalived {
    child: Child,
    folder: PathBuf,
}

impl Keepalived {
    /// Starts one with this configuration where `client` is. Only its checkers run.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(client: &Client, folder: &Folder, configuration: &str) -> Self {
        let file = folder.write("keepalived.conf", configuration);
        Self::start_from(client, folder.path(), &file, Parts::Checkers)
    }

    /// Starts one with the configuration in `file`. What it writes is in `folder`.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start_from(client: &Client, folder: &Path, file: &Path, parts: Parts) -> Self {
        let folder = folder.to_owned();
        let output = File::create(folder.join(LOG)).expect("cannot make keepalived's log");
        let mut command = client.command(&program());
        command.args(["--dont-fork", "--log-console", "--no-syslog"]);
        if parts == Parts::Checkers {
            command.arg("--check");
        }
        command.arg("--use-file").arg(file);
        for (process, option) in PROCESSES {
            // One that was killed has left its process ids here, which may be another process's by
            // now.
            let _ = fs::remove_file(pid_file(&folder, process));
            command.arg(option).arg(pid_file(&folder, process));
        }
        let child = command
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("no file descriptors left"))
            .stdout(output)
            .spawn()
            .expect("cannot start keepalived");
        Self { child, folder }
    }

    /// Makes it read its configuration again.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn reload(&self) {
        let main = self.process("main").expect("keepalived runs");
        kill(main, Signal::SIGHUP).expect("keepalived runs");
    }

    /// Ends it as a service manager would: it removes its virtual servers.
    ///
    /// # Panics
    ///
    /// When it does not end in time, or not well.
    pub fn stop(&mut self) {
        let status = self.end();
        assert!(status.success(), "keepalived: {status}\n{}", self.log());
    }

    /// Ends all of its processes without warning.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn kill(&mut self) {
        for (process, _) in PROCESSES {
            if let Some(pid) = self.process(process) {
                kill(pid, Signal::SIGSTOP).expect("keepalived runs");
            }
        }
        // Its children would end well when they hear that it is gone.
        for (process, _) in PROCESSES.iter().rev() {
            if let Some(pid) = self.process(process) {
                kill(pid, Signal::SIGKILL).expect("keepalived runs");
            }
        }
        self.wait();
    }

    /// One of its processes, if it has it: `main`, `checkers`, `vrrp` or `bfd`.
    #[must_use]
    pub fn process(&self, process: &str) -> Option<Pid> {
        let text = fs::read_to_string(pid_file(&self.folder, process)).ok()?;
        Some(Pid::from_raw(text.trim().parse().ok()?))
    }

    /// What it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join(LOG)).unwrap_or_default()
    }

    /// What it wrote there about IPVS, without the times.
    #[must_use]
    pub fn says_of_ipvs(&self) -> String {
        let log = self.log();
        // Each line begins with the time, which ends with the year.
        let lines = log.lines().filter_map(|line| line.split_once(": "));
        let lines = lines.map(|(_, text)| text);
        let about = lines.filter(|text| text.contains("IPVS"));
        about.collect::<Vec<_>>().join("\n")
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        eventually(LIMIT, || {
            ended = self
                .child
                .try_wait()
                .map_err(|error| format!("cannot wait for keepalived: {error}"))?;
            ended.map(|_| ()).ok_or("keepalived runs".to_owned())
        });
        ended.expect("it has ended")
    }

    fn end(&mut self) -> ExitStatus {
        // Its process id may be another process's by now.
        if let Ok(Some(status)) = self.child.try_wait() {
            return status;
        }
        let pid = i32::try_from(self.child.id()).expect("process ids are small");
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        self.wait()
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- keepalived's log\n{}", self.log());
        }
        clean_up(|| {
            self.end();
            Ok(())
        });
    }
}

/// The keepalived that is run: what `SOCKVS_TEST_KEEPALIVED` says, by its name on `PATH` or by its
/// path.
#[must_use]
pub fn program() -> String {
    let told = env::var("SOCKVS_TEST_KEEPALIVED").unwrap_or_default();
    if told.is_empty() {
        "keepalived".to_owned()
    } else {
        told
    }
}

const LOG: &str = "keepalived.log";

/// Its processes, and the options that say where each writes its id.
const PROCESSES: [(&str, &str); 4] = [
    ("main", "--pid"),
    ("checkers", "--checkers_pid"),
    ("vrrp", "--vrrp_pid"),
    ("bfd", "--bfd_pid"),
];

fn pid_file(folder: &Path, process: &str) -> PathBuf {
    folder.join(format!("{process}.pid"))
}
