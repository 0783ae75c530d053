//! Receives the requests of both interceptors: finds the sockets for replies to the client, and
//! passes a datagram to the genl front end, or a socket option to the sockopt front end.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use sockvs_intercept_bpf as bpf;
use sockvs_intercept_seccomp as seccomp;
use sockvs_ipvs::{Namespace, Owner, Usage};
use sockvs_server::{
    genl::{Client, ClientNamespace as _, GenlServer, NamespaceSockets, Namespaces, Waiting},
    procfs::Place,
    sockopt,
    state::IpvsState,
};
use sockvs_sys::{
    netns::{self, NetnsWatcher},
    rate_limit::{RateLimit, RateLimits},
};

static NOT_ENTERED: RateLimit = RateLimit::new();
/// The least time between two equal log lines about an owner's namespaces.
const WARNED_AGAIN: Duration = Duration::from_secs(5);

/// Passes intercepted requests to the front ends.
pub struct Gateway {
    state: IpvsState,
    genl: GenlServer,
    namespaces: Arc<Namespaces>,
    watcher: Arc<NetnsWatcher>,
    unnoticed: RateLimits<Owner>,
}

impl Gateway {
    /// Passes requests to front ends over `state`. `watcher` starts watching each namespace that
    /// clients come from.
    #[must_use]
    pub fn new(state: IpvsState, namespaces: Arc<Namespaces>, watcher: Arc<NetnsWatcher>) -> Self {
        Self {
            genl: GenlServer::new(state.clone()),
            state,
            namespaces,
            watcher,
            unnoticed: RateLimits::new(WARNED_AGAIN),
        }
    }

    /// Our sockets in a client's namespace. `net_admin` is whether the client may have a table
    /// there.
    fn sockets(
        &self,
        namespace: u64,
        net_admin: bool,
        netns: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> io::Result<Arc<NamespaceSockets>> {
        let namespace = Namespace(namespace);
        let sockets = self.namespaces.sockets(namespace, || {
            let netns = netns()?;
            let owner = netns::owner_of(netns.as_fd())?;
            Ok((netns, owner))
        });
        let sockets = sockets.inspect_err(|error| {
            if !net_admin {
                // Every user can cause this, and no one else is affected.
                tracing::debug!(namespace = namespace.0, %error, "a client's network namespace \
                    cannot be entered");
            } else if let Some(left_out) = NOT_ENTERED.admit() {
                tracing::warn!(namespace = namespace.0, %error, left_out, "a client's network \
                    namespace cannot be entered");
            }
        })?;
        if net_admin {
            self.watch(&sockets);
        }
        Ok(sockets)
    }

    /// Starts watching for the namespace's end.
    fn watch(&self, sockets: &NamespaceSockets) {
        let (namespace, owner) = (sockets.namespace(), sockets.owner());
        if let Err(error) = self.watcher.watch(namespace, sockets.netns())
            && self.unnoticed.admit(owner).is_some()
        {
            tracing::warn!(namespace = namespace.0, %owner, %error, "the end of a network \
                namespace will not be noticed");
        }
    }
}

impl seccomp::Handler for Gateway {
    fn datagram(
        &self,
        client: seccomp::Client,
        bytes: Vec<u8>,
        done: seccomp::Done,
    ) -> Result<(), i32> {
        let netns = || netns::of_socket(client.socket.as_fd());
        // The error that the kernel returns when it has no memory for a message.
        let namespace = self.sockets(client.namespace, client.sender.net_admin, netns);
        let client = Client {
            namespace: namespace.map_err(|_| libc::ENOBUFS)?,
            sender: client.sender,
        };
        self.genl.datagram(client, &bytes, Box::new(done));
        Ok(())
    }

    fn option(
        &self,
        caller: &seccomp::OptionCaller,
        call: &sockopt::Call,
    ) -> Result<sockopt::Value, i32> {
        let netns = || caller.netns.try_clone();
        let namespace = self
            .sockets(caller.namespace, caller.net_admin, netns)
            .map_err(|_| libc::ENOPROTOOPT)?;
        let caller = sockopt::Caller {
            namespace: namespace.namespace(),
            owner: namespace.owner(),
            host: namespace.as_ref(),
            pid: caller.pid,
            net_admin: caller.net_admin,
        };
        sockopt::carry_out(&self.state, &caller, call)
    }

    fn file(&self, namespace: BorrowedFd<'_>, place: Place) -> Result<String, i32> {
        let cookie = netns::cookie(namespace);
        let cookie = cookie.map_err(|error| {
            tracing::debug!(%error, "a reader's network namespace cannot be entered");
            libc::ENOENT
        })?;
        Ok(place.text(&self.state, Namespace(cookie)))
    }
}

impl bpf::Handler for Gateway {
    fn datagram(&self, request: bpf::Request, bytes: &[u8], done: Box<dyn Waiting>) {
        // If the namespace cannot be opened, most likely no client is left in it.
        let netns = || request.open_namespace();
        if let Ok(namespace) = self.sockets(request.namespace, request.sender.net_admin, netns) {
            let sender = request.visible_sender();
            let client = Client { namespace, sender };
            self.genl.datagram(client, bytes, done);
        }
    }

    fn tell_usage(&self, usage: Box<dyn Fn() -> Vec<Usage> + Send + Sync>) {
        self.state.add_usage_of_queues(usage);
    }

    fn wait_for_tables(&self) {
        drop(self.state.lock());
    }
}
