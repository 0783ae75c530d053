//! A stock keepalived that programs virtual servers and checks the real ones.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Client, Folder, eventually::eventually, leftovers::clean_up};

/// How long it may take to end: it waits for its children, which remove their virtual servers.
const LIMIT: Duration = Duration::from_secs(20);

/// A running keepalived. It is ended when this is dropped.
#[derive(Debug)]
pub struct Keepalived {
    child: Child,
    log: PathBuf,
}

impl Keepalived {
    /// Starts one with this configuration where `client` is. Only its checkers run, as with
    /// `virtual_server` blocks and no VRRP instance.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(client: &Client, folder: &Folder, configuration: &str) -> Self {
        let file = folder.write("keepalived.conf", configuration);
        let log = folder.path().join("keepalived.log");
        let output = File::create(&log).expect("cannot make keepalived's log");
        let mut command = client.command("keepalived");
        command.args(["--dont-fork", "--log-console", "--no-syslog", "--check"]);
        command.arg("--use-file").arg(file);
        for (option, name) in [("--pid", "main.pid"), ("--checkers_pid", "checkers.pid")] {
            command.arg(option).arg(folder.path().join(name));
        }
        let child = command
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("no file descriptors left"))
            .stdout(output)
            .spawn()
            .expect("cannot start keepalived");
        Self { child, log }
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

    /// What it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn end(&mut self) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).expect("process ids are small");
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
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
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- keepalived's log\n{}", self.log());
        }
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        clean_up(|| {
            self.end();
            Ok(())
        });
    }
}
