//! Dumps of any length, one datagram at a time.
//!
//! A dump stores only its position. Each datagram is encoded from the table at the time when the
//! client has room for it, as in the kernel: an entry that is added or removed meanwhile may be
//! missed or seen twice, but memory does not grow with the table, and no client delays another.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use netlink_packet_ipvs::{
    IpvsCommand,
    policy::{CommandAttrs, PolicyError},
};

use super::{Client, encode, reply::ReplyHeader, request};
use crate::state::Tables;
use sockvs_ipvs::{Namespace, ServiceKey};

/// The largest datagram. The kernel's smallest dump buffer (`NLMSG_GOODSIZE`) has this size with
/// pages of 4096 bytes, so every client can receive it.
const DATAGRAM: usize = 3776;

/// A dump in progress.
#[derive(Debug)]
pub(super) struct Dump {
    ns: Namespace,
    what: What,
    header: ReplyHeader,
    /// The message that the dump's end carries about the request.
    text: Option<&'static str>,
    position: usize,
    ended: bool,
    _running: Running,
}

/// The dumps in progress, by namespace and port: a socket can have one at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct RunningDumps(Arc<Mutex<HashSet<(Namespace, u32)>>>);

/// Marks a dump as in progress until this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    dumps: RunningDumps,
    socket: (Namespace, u32),
}

impl RunningDumps {
    /// Marks a dump to a socket as in progress; `None` if there is one already.
    pub(super) fn begin(&self, ns: Namespace, port: u32) -> Option<Running> {
        let socket = (ns, port);
        self.sockets().insert(socket).then(|| Running {
            dumps: self.clone(),
            socket,
        })
    }

    fn sockets(&self) -> MutexGuard<'_, HashSet<(Namespace, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.dumps.sockets().remove(&self.socket);
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Services,
    /// `None` if the request named no existing service: the kernel then sends an empty list instead
    /// of an error.
    Destinations(Option<ServiceKey>),
    SyncDaemons,
}

impl Dump {
    /// The dump that a command requests; `None` if the command has no dump.
    pub(super) fn new(
        command: IpvsCommand,
        attributes: &[u8],
        client: &Client,
        header: ReplyHeader,
        running: Running,
    ) -> Option<Self> {
        let mut text = None;
        let what = match command {
            IpvsCommand::GetService => What::Services,
            IpvsCommand::GetDest => {
                let attrs = CommandAttrs::decode(attributes);
                text = match &attrs {
                    Ok(attrs) => attrs.warning(),
                    Err(error) => PolicyError::message(error),
                };
                let key = attrs
                    .ok()
                    .and_then(|attrs| request::service_key(attrs.service).ok());
                What::Destinations(key.map(|(key, _)| key))
            }
            IpvsCommand::GetDaemon => What::SyncDaemons,
            _ => return None,
        };
        Some(Self {
            ns: client.namespace.namespace(),
            what,
            header,
            text: text.filter(|_| client.sender.ext_ack),
            position: 0,
            ended: false,
            _running: running,
        })
    }

    /// The next datagram; `None` after the one with `NLMSG_DONE`.
    pub(super) fn next(&mut self, tables: &Tables) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let mut datagram = Vec::with_capacity(DATAGRAM);
        self.fill(tables, &mut datagram);
        if datagram.is_empty() {
            self.ended = true;
            datagram = self.header.done(self.text);
        }
        Some(datagram)
    }

    fn fill(&mut self, tables: &Tables, datagram: &mut Vec<u8>) {
        let Some(table) = tables.ipvs.table(self.ns) else {
            return;
        };
        let path = tables.path.as_ref();
        let header = self.header;
        match self.what {
            What::Services => {
                self.put(
                    datagram,
                    table.services_from(self.position),
                    |buffer, service| {
                        let entry = encode::service(service, table.service_stats(service, path));
                        header.write(buffer, IpvsCommand::NewService, true, |w| entry.write(w));
                    },
                );
            }
            What::Destinations(key) => {
                let Some(service) = key.and_then(|key| table.service(&key)) else {
                    return;
                };
                let rest = service.destinations_from(self.position);
                self.put(datagram, rest, |buffer, destination| {
                    let reading = table.destination_reading(destination, path);
                    let entry = encode::destination(destination, reading);
                    header.write(buffer, IpvsCommand::NewDest, true, |w| entry.write(w));
                });
            }
            What::SyncDaemons => {
                let rest = table.sync_daemons().skip(self.position);
                self.put(datagram, rest, |buffer, daemon| {
                    let entry = encode::sync_daemon(daemon);
                    header.write(buffer, IpvsCommand::NewDaemon, true, |w| entry.write(w));
                });
            }
        }
    }

    /// Writes entries into the datagram until the next one does not fit.
    fn put<T>(
        &mut self,
        datagram: &mut Vec<u8>,
        entries: impl Iterator<Item = T>,
        write: impl Fn(&mut Vec<u8>, T),
    ) {
        for entry in entries {
            let before = datagram.len();
            write(datagram, entry);
            if datagram.len() > DATAGRAM && before > 0 {
                datagram.truncate(before);
                return;
            }
            self.position += 1;
        }
    }
}
