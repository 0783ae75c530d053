//! Where both interceptors lead to: finds the sockets that answer the client, and passes its
//! datagram on to the family, or its socket option to where those are served.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::Arc,
};

use super::{Departures, bpf, seccomp};
use crate::{
    family::{
        Client, ClientNamespace as _, NamespaceSockets, Namespaces, Server, namespace_cookie,
        namespace_of_socket,
    },
    ipvs::Namespace,
    netns::inside,
    procfs::Place,
    rate_limit::RateLimit,
    sockopt,
};

static NOT_ENTERED: RateLimit = RateLimit::new();
static UNNOTICED: RateLimit = RateLimit::new();

/// Passes intercepted datagrams on to the family.
pub struct Gateway {
    server: Server,
    namespaces: Arc<Namespaces>,
    departures: Arc<Departures>,
}

impl Gateway {
    /// Passes datagrams on to `server`. `departures` hears of each namespace that clients come from.
    #[must_use]
    pub fn new(server: Server, namespaces: Arc<Namespaces>, departures: Arc<Departures>) -> Self {
        Self {
            server,
            namespaces,
            departures,
        }
    }

    /// Our sockets in the client's namespace.
    fn sockets(
        &self,
        namespace: u64,
        netns: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> io::Result<Arc<NamespaceSockets>> {
        let namespace = Namespace(namespace);
        let sockets = self.namespaces.sockets(namespace, || {
            let netns = netns()?;
            if let Err(error) = self.departures.watch(namespace, netns.as_fd())
                && let Some(left_out) = UNNOTICED.admit()
            {
                tracing::warn!(namespace = namespace.0, %error, left_out, "the end of a network namespace will not be noticed");
            }
            Ok(netns)
        });
        sockets.inspect_err(|error| {
            if let Some(left_out) = NOT_ENTERED.admit() {
                tracing::warn!(namespace = namespace.0, %error, left_out, "a client's network namespace cannot be entered");
            }
        })
    }
}

impl seccomp::Handler for Gateway {
    fn datagram(
        &self,
        client: seccomp::Client,
        bytes: Vec<u8>,
        done: seccomp::Done,
    ) -> Result<(), i32> {
        let netns = || namespace_of_socket(client.socket.as_fd());
        // What the kernel says when it has no room for a message.
        let namespace = self.sockets(client.namespace, netns);
        let client = Client {
            namespace: namespace.map_err(|_| libc::ENOBUFS)?,
            port: client.port,
            pid: client.pid,
            may_administer: client.may_administer,
            cap_ack: client.cap_ack,
            ext_ack: client.ext_ack,
        };
        self.server.datagram(client, &bytes, Box::new(done));
        Ok(())
    }

    fn option(
        &self,
        caller: &seccomp::OptionCaller,
        call: &sockopt::Call,
    ) -> Result<sockopt::Value, i32> {
        let netns = || caller.netns.try_clone();
        let namespace = self
            .sockets(caller.namespace, netns)
            .map_err(|_| libc::ENOPROTOOPT)?;
        let caller = sockopt::Caller {
            namespace: namespace.namespace(),
            host: namespace.as_ref(),
            pid: caller.pid,
            may_administer: caller.may_administer,
        };
        sockopt::carry_out(&self.server, &caller, call)
    }

    fn file(&self, namespace: BorrowedFd<'_>, place: Place) -> Result<String, i32> {
        let cookie = inside(namespace, || {
            namespace_cookie(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.as_fd())
        });
        let cookie = cookie.map_err(|error| {
            tracing::debug!(%error, "a reader's network namespace cannot be entered");
            libc::ENOENT
        })?;
        Ok(place.text(&self.server, Namespace(cookie)))
    }
}

impl bpf::Handler for Gateway {
    fn datagram(&self, request: bpf::Request, bytes: &[u8], done: Box<dyn Send>) {
        // If there is no way in, nobody is left there to be answered, most likely.
        if let Ok(namespace) = self.sockets(request.namespace, || request.open_namespace()) {
            let client = Client {
                namespace,
                port: request.port,
                pid: request.visible_pid(),
                may_administer: request.may_administer,
                cap_ack: request.cap_ack,
                ext_ack: request.ext_ack,
            };
            self.server.datagram(client, bytes, done);
        }
    }
}
