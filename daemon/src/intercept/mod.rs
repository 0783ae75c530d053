//! How IPVS requests reach us, although only the kernel can register a generic netlink family.
//!
//! An interceptor takes a client's datagram on its way to the kernel and hands it, with what the
//! kernel knows of the sender, to [`family::Server`](crate::family::Server). What a request means is
//! not known here.

pub mod seccomp;
pub mod support;

use std::{os::fd::AsFd as _, sync::Arc};

use crate::{
    family::{self, Namespaces, namespace_of_socket},
    ipvs::Namespace,
};

/// Passes intercepted datagrams on to the family.
pub struct Gateway {
    server: family::Server,
    namespaces: Arc<Namespaces>,
}

impl Gateway {
    /// Passes datagrams on to `server`.
    #[must_use]
    pub fn new(server: family::Server, namespaces: Arc<Namespaces>) -> Self {
        Self { server, namespaces }
    }
}

impl seccomp::Handler for Gateway {
    fn datagram(&self, client: seccomp::Client, bytes: Vec<u8>, done: seccomp::Done) {
        let namespace = Namespace(client.namespace);
        let sockets = self
            .namespaces
            .sockets(namespace, || namespace_of_socket(client.socket.as_fd()));
        match sockets {
            Ok(sockets) => {
                let client = family::Client {
                    namespace: sockets,
                    port: client.port,
                    pid: client.pid,
                    may_administer: client.may_administer,
                    cap_ack: client.cap_ack,
                    ext_ack: client.ext_ack,
                };
                self.server.datagram(client, &bytes, Box::new(done));
            }
            Err(error) => {
                tracing::warn!(pid = client.pid, %error, "the client's network namespace cannot be entered");
            }
        }
    }
}
