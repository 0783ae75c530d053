//! A web server over TLS: `openssl s_server`, which can also be slow.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    environment::{folder::Folder, place::Place},
    process::{binaries, eventually::eventually, program},
    servers::host::Host,
};

/// How long it may take to listen.
const LIMIT: Duration = Duration::from_secs(20);

/// A server whose every page says what the connection is like. It ends when this is dropped.
#[derive(Debug)]
pub struct TlsServer(Child);

impl TlsServer {
    /// Starts one on a host, with a key that is kept in `folder`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start(host: &Host, port: u16, folder: &Folder) -> Self {
        let openssl = binaries::installed("openssl");
        let file = folder.path().join("tls.pem");
        if !file.exists() {
            let settings = folder.write("tls.cnf", "[req]\ndistinguished_name = name\n[name]\n");
            let mut request = Command::new(&openssl);
            request.args("req -x509 -nodes -subj /CN=server -newkey ec".split(' '));
            request.args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-config"]);
            request.arg(settings);
            request.arg("-keyout").arg(&file);
            let certificate = program::run(request).expect_success();
            let key = std::fs::read_to_string(&file).expect("openssl has written a key");
            folder.write("tls.pem", &(key + &certificate));
        }
        let mut command = Place::new(host.namespace()).command(openssl);
        command.args([
            "s_server",
            "-quiet",
            "-www",
            "-accept",
            &port.to_string(),
            "-cert",
        ]);
        command.arg(&file).arg("-key").arg(&file);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = Self(command.spawn().expect("cannot start openssl"));
        eventually(LIMIT, || {
            let listening = host
                .namespace()
                .enter(|| std::net::TcpStream::connect(host.at(port)));
            listening
                .map(drop)
                .map_err(|error| format!("openssl does not listen: {error}"))
        });
        server
    }

    /// Makes it too slow for any client: the system accepts connections for it, and nothing comes.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Undoes [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).expect("process ids are small");
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
