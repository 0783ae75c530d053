//! Real servers of UDP, on threads of the test. Each answers every datagram, with its name if
//! nothing else is said.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{environment::namespace::Namespace, servers::server::when_free};

/// How often a server looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// A server. It is gone when it is dropped.
#[derive(Debug)]
pub struct DatagramServer {
    end: Arc<AtomicBool>,
    answering: Option<JoinHandle<()>>,
}

impl DatagramServer {
    /// Starts one at `address` in `namespace`.
    ///
    /// # Panics
    ///
    /// When it cannot have the address.
    #[must_use]
    #[track_caller]
    pub fn start(namespace: &Namespace, name: &str, address: SocketAddr) -> Self {
        let name = name.as_bytes().to_vec();
        Self::answering(namespace, address, move |_| name.clone())
    }

    /// Starts one that answers each datagram with what `answer` makes of it.
    ///
    /// # Panics
    ///
    /// When it cannot have the address.
    #[must_use]
    #[track_caller]
    pub fn answering(
        namespace: &Namespace,
        address: SocketAddr,
        answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let socket = namespace
            .enter(|| when_free(|| UdpSocket::bind(address)))
            .unwrap_or_else(|error| panic!("a server cannot have {address}: {error}"));
        socket
            .set_read_timeout(Some(LOOK))
            .expect("a socket has a time-out");
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let answering = thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !told.load(Ordering::Relaxed) {
                if let Ok((length, client)) = socket.recv_from(&mut buffer) {
                    // The client may be gone.
                    let _ = socket.send_to(&answer(&buffer[..length]), client);
                }
            }
        });
        Self {
            end,
            answering: Some(answering),
        }
    }
}

impl Drop for DatagramServer {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(answering) = self.answering.take() {
            let _ = answering.join();
        }
    }
}
