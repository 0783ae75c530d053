//! Real servers, on threads of the test. Each tells its name to every client that connects.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::socket::{self, shutdown};

use crate::environment::namespace::Namespace;

/// How a server tells its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// At once, and again before each line that it is sent.
    Greeting,
    /// As the body of an HTTP response.
    Http,
    /// As the body of an HTTP response that says that something is wrong with the server (503).
    HttpUnavailable,
    /// As Redis answers a command.
    Redis,
    /// As a mail server presents itself, which then waits to be greeted.
    Smtp,
    /// As a mail server that takes no mail now (421).
    SmtpUnavailable,
}

/// A server. It stops listening when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    listener: TcpListener,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one that listens at `address` in `namespace`. Port 0 is any free port.
    ///
    /// # Panics
    ///
    /// When it cannot listen there.
    #[must_use]
    #[track_caller]
    pub fn start(namespace: &Namespace, name: &str, address: SocketAddr, talk: Talk) -> Self {
        let listener = namespace
            .enter(|| when_free(|| TcpListener::bind(address)))
            .unwrap_or_else(|error| panic!("server {name} cannot listen at {address}: {error}"));
        let address = listener.local_addr().expect("it listens");
        let copy = listener.try_clone().expect("no file descriptors left");
        let name = name.to_owned();
        let accepting = Some(thread::spawn(move || accept(&copy, &name, talk)));
        Self {
            address,
            listener,
            accepting,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Wakes `accept`.
        let _ = shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// Binds a socket, and waits a moment for an address that another one had. A program that is just
/// being started has a copy of each socket of this process, until it runs.
pub(crate) fn when_free<T>(mut bind: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..100 {
        match bind() {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
    bind()
}

fn accept(listener: &TcpListener, name: &str, talk: Talk) {
    while let Ok((connection, _)) = listener.accept() {
        let name = name.to_owned();
        thread::spawn(move || {
            // The client may close at any time.
            let _ = serve(&connection, &name, talk);
        });
    }
}

fn serve(connection: &TcpStream, name: &str, talk: Talk) -> io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(300)))?;
    connection.set_nodelay(true)?;
    let mut lines = BufReader::new(connection);
    let mut to = connection;
    let mut line = String::new();
    match talk {
        Talk::Greeting => {
            writeln!(to, "{name}")?;
            while lines.read_line(&mut line)? > 0 {
                to.write_all(format!("{name} {line}").as_bytes())?;
                line.clear();
            }
        }
        Talk::Http | Talk::HttpUnavailable => {
            while lines.read_line(&mut line)? > 2 {
                line.clear();
            }
            let length = name.len();
            let status = match talk {
                Talk::HttpUnavailable => "503 Service Unavailable",
                _ => "200 OK",
            };
            write!(
                to,
                "HTTP/1.0 {status}\r\nContent-Length: {length}\r\n\r\n{name}"
            )?;
            connection.shutdown(Shutdown::Write)?;
        }
        Talk::Smtp => {
            write!(to, "220 {name} ESMTP\r\n")?;
            while lines.read_line(&mut line)? > 0 {
                let quits = line.starts_with("QUIT");
                let answer = if quits { "221 bye" } else { "250 well" };
                write!(to, "{answer}\r\n")?;
                if quits {
                    break;
                }
                line.clear();
            }
        }
        Talk::SmtpUnavailable => write!(to, "421 {name} not now\r\n")?,
        Talk::Redis => {
            let mut command = [0; 4096];
            while (&mut &*connection).read(&mut command)? > 0 {
                write!(to, "+{name}\r\n")?;
            }
        }
    }
    Ok(())
}
