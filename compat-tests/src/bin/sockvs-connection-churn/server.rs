//! Servers, on threads of this process: they greet, and end connections in all the ways there are.

use std::{
    collections::VecDeque,
    io::Write as _,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use compat_tests::{answering::errno, random::Random};
use nix::{
    errno::Errno,
    sys::socket::{
        self, AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen,
        setsockopt, shutdown, sockopt,
    },
};

use crate::streams::reset_when_closed;

/// How many connections a server leaves open, until newer ones take their place.
const OPEN: usize = 50;

/// A server of TCP and UDP. It ends when it is dropped.
pub(crate) struct Server {
    listener: TcpListener,
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts one. Its answer to a datagram is the source address that it is reached from.
    pub(crate) fn start(source: &str, address: SocketAddr) -> Result<Self, Errno> {
        let stream = at(address, SockType::Stream)?;
        listen(&stream, Backlog::MAXCONN)?;
        let listener = TcpListener::from(stream);
        let accepting = listener.try_clone().map_err(errno)?;
        let datagrams = UdpSocket::from(at(address, SockType::Datagram)?);
        let look = Some(Duration::from_millis(50));
        datagrams.set_read_timeout(look).map_err(errno)?;
        let end = Arc::new(AtomicBool::new(false));
        let (told, source) = (Arc::clone(&end), source.to_owned());
        let random = Random::new(address.port().into());
        let threads = vec![
            thread::spawn(move || accept(&accepting, random)),
            thread::spawn(move || answer(&datagrams, &source, &told)),
        ];
        Ok(Self {
            listener,
            end,
            threads,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        // Wakes `accept`.
        let _ = shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A socket at an address that may be on no interface, only routed here.
fn at(address: SocketAddr, kind: SockType) -> Result<OwnedFd, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket::socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::IpFreebind, &true)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket)
}

fn accept(listener: &TcpListener, mut random: Random) {
    let mut open = VecDeque::new();
    while let Ok((mut connection, _)) = listener.accept() {
        // The client may be gone.
        let _ = connection.write_all(b"hello\n");
        match random.below(8) {
            0 => drop(connection),
            1 => {
                let _ = reset_when_closed(&connection);
            }
            _ => open.push_back(connection),
        }
        if open.len() > OPEN {
            open.pop_front();
        }
    }
}

fn answer(socket: &UdpSocket, source: &str, end: &AtomicBool) {
    let mut buffer = [0; 64];
    while !end.load(Ordering::Relaxed) {
        if let Ok((_, client)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(source.as_bytes(), client);
        }
    }
}
