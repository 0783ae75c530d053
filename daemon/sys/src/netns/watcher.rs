//! Notices when network namespaces end, so that their tables can be removed.
//!
//! No descriptor of ours keeps a namespace alive for longer than a client needs it, so the kernel
//! has to report its end. It does so to namespaces that have assigned an id to the ended one (what
//! `ip netns` shows as its nsid): the id is deleted with the namespace. This works on every kernel,
//! with either interceptor. Our own namespace outlives the daemon.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
};

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_route::{
    RouteNetlinkMessage,
    nsid::{NsidAttribute, NsidMessage},
};
use nix::sys::socket::{MsgFlags, NetlinkAddr, SockFlag, SockProtocol, bind, recv};
use tokio::io::{Interest, unix::AsyncFd};

use super::{all, cookie, owner_of, sees_all_processes};
use crate::netlink::{self, KernelSocket};
use sockvs_ipvs::{Namespace, Owner};

/// The multicast group for nsid messages (`RTNLGRP_NSID`, the 28th), as a bit.
const NSID_GROUP: u32 = 1 << 27;
/// Lets the kernel choose the id.
const ANY: i32 = -1;

/// The namespaces that are watched.
pub struct NetnsWatcher {
    events: AsyncFd<OwnedFd>,
    known: Mutex<Known>,
}

/// The state of namespaces that an earlier daemon served.
#[derive(Debug, Default)]
pub struct Adopted {
    /// Those that have ended.
    pub lost: Vec<Namespace>,
    /// Those that exist, with their owners.
    pub owners: Vec<(Namespace, Owner)>,
}

#[derive(Default)]
struct Known {
    /// The kernel may assign a deleted id to another namespace before we have read the message
    /// about the deletion. So an id can have several namespaces; the first is the one that ended.
    by_number: HashMap<i32, VecDeque<Namespace>>,
    numbers: HashMap<Namespace, i32>,
}

impl NetnsWatcher {
    /// Starts listening in our own namespace, which has this cookie. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// When no such socket can be opened.
    pub fn listen(own: Namespace) -> io::Result<Self> {
        let socket = netlink::open(SockProtocol::NetlinkRoute, SockFlag::SOCK_NONBLOCK)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, NSID_GROUP))?;
        // SAFETY: the socket owns its descriptor, and keeps it open and the same.
        let events = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        // Our own namespace needs no id, as it outlives the daemon.
        let known = Known {
            numbers: HashMap::from([(own, ANY)]),
            ..Known::default()
        };
        Ok(Self {
            events,
            known: Mutex::new(known),
        })
    }

    /// Reports the end of this namespace from now on.
    ///
    /// # Errors
    ///
    /// When the kernel assigns no id.
    pub fn watch(&self, namespace: Namespace, netns: BorrowedFd<'_>) -> io::Result<()> {
        let mut known = self.known();
        if known.numbers.contains_key(&namespace) {
            return Ok(());
        }
        let number = number(netns)?;
        known.numbers.insert(namespace, number);
        known
            .by_number
            .entry(number)
            .or_default()
            .push_back(namespace);
        Ok(())
    }

    /// Starts watching namespaces of which only the cookies are known.
    pub fn adopt(&self, namespaces: impl IntoIterator<Item = Namespace>) -> Adopted {
        let mut adopted = Adopted::default();
        let mut lost: HashSet<_> = namespaces.into_iter().collect();
        lost.retain(|namespace| !self.known().numbers.contains_key(namespace));
        if lost.is_empty() || !sees_all_processes() {
            // This requires access to all processes.
            return adopted;
        }
        for (_, netns) in all() {
            let Ok(namespace) = cookie(netns.as_fd()).map(Namespace) else {
                continue;
            };
            if !lost.remove(&namespace) {
                continue;
            }
            if let Err(error) = self.watch(namespace, netns.as_fd()) {
                tracing::warn!(namespace = namespace.0, %error, "its end will not be noticed");
            }
            match owner_of(netns.as_fd()) {
                Ok(owner) => adopted.owners.push((namespace, owner)),
                Err(error) => {
                    tracing::warn!(namespace = namespace.0, %error, "its owner is not known");
                }
            }
        }
        adopted.lost = lost.into_iter().collect();
        adopted
    }

    /// Waits until a namespace has ended.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub async fn next(&self) -> io::Result<Vec<Namespace>> {
        let mut buffer = vec![0; 8 << 10];
        loop {
            let receive =
                |socket: &OwnedFd| Ok(recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?);
            let ended = match self.events.async_io(Interest::READABLE, receive).await {
                Ok(length) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    // What cannot be read may have reported something.
                    self.ended(datagram).or_else(|_| self.missing())?
                }
                // Messages were lost because the receive buffer was full.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => self.missing()?,
                Err(error) => return Err(error),
            };
            if !ended.is_empty() {
                return Ok(ended);
            }
        }
    }

    /// The namespaces whose end the messages of a datagram report.
    fn ended(&self, datagram: &[u8]) -> io::Result<Vec<Namespace>> {
        let messages = netlink::read::<RouteNetlinkMessage>(datagram)?;
        let mut known = self.known();
        let ended = messages.iter().filter_map(|message| match message {
            RouteNetlinkMessage::DelNsId(message) => known.remove(nsid(message)?),
            _ => None,
        });
        Ok(ended.collect())
    }

    /// The namespaces whose ids are no longer assigned.
    fn missing(&self) -> io::Result<Vec<Namespace>> {
        let mut known = self.known();
        let mut ended = Vec::new();
        let numbers: Vec<_> = known.by_number.keys().copied().collect();
        let socket = KernelSocket::open(SockProtocol::NetlinkRoute)?;
        for number in numbers {
            match request(
                &socket,
                RouteNetlinkMessage::GetNsId,
                0,
                [NsidAttribute::Id(number)],
            ) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                    while let Some(namespace) = known.remove(number) {
                        ended.push(namespace);
                    }
                }
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(ended)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn remove(&mut self, number: i32) -> Option<Namespace> {
        let namespaces = self.by_number.get_mut(&number)?;
        let namespace = namespaces.pop_front()?;
        if namespaces.is_empty() {
            self.by_number.remove(&number);
        }
        self.numbers.remove(&namespace);
        Some(namespace)
    }
}

/// Our namespace's id for another one. It is assigned now if there was none.
fn number(netns: BorrowedFd<'_>) -> io::Result<i32> {
    let fd = netns.as_raw_fd().cast_unsigned();
    let socket = KernelSocket::open(SockProtocol::NetlinkRoute)?;
    let any = [NsidAttribute::Id(ANY), NsidAttribute::Fd(fd)];
    match request(&socket, RouteNetlinkMessage::NewNsId, NLM_F_ACK, any) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let this = [NsidAttribute::Fd(fd)];
    let reply = request(&socket, RouteNetlinkMessage::GetNsId, 0, this)?;
    let id = reply.iter().find_map(|message| match message {
        RouteNetlinkMessage::NewNsId(message) => nsid(message),
        _ => None,
    });
    id.filter(|id| *id >= 0)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn request(
    socket: &KernelSocket,
    kind: fn(NsidMessage) -> RouteNetlinkMessage,
    flags: u16,
    attributes: impl Into<Vec<NsidAttribute>>,
) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut message = NsidMessage::default();
    message.attributes = attributes.into();
    socket.request(kind(message), flags)
}

/// The id that a message is about.
fn nsid(message: &NsidMessage) -> Option<i32> {
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NsidAttribute::Id(id) => Some(*id),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use std::{fs::File, thread, time::Duration};

    use netlink_packet_core::{NetlinkHeader, NetlinkMessage};
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    const OWN: Namespace = Namespace(1);

    /// A namespace that ends when the file is closed; `None` if we lack the privilege to create
    /// one.
    fn made() -> Option<File> {
        thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).ok()?;
            File::open("/proc/thread-self/ns/net").ok()
        })
        .join()
        .ok()?
    }

    #[tokio::test]
    async fn the_end_of_a_namespace_is_reported() {
        let Some(netns) = made() else { return };
        let watcher = NetnsWatcher::listen(OWN).unwrap();
        let namespace = Namespace(77);
        watcher.watch(namespace, netns.as_fd()).unwrap();
        watcher.watch(namespace, netns.as_fd()).unwrap();
        assert!(watcher.missing().unwrap().is_empty());
        drop(netns);
        let ended = tokio::time::timeout(Duration::from_secs(20), watcher.next()).await;
        assert_eq!(ended.unwrap().unwrap(), [namespace]);
        assert_eq!(watcher.known().numbers.keys().collect::<Vec<_>>(), [&OWN]);
    }

    #[tokio::test]
    async fn namespaces_that_cannot_be_found_count_as_ended() {
        let watcher = NetnsWatcher::listen(OWN).unwrap();
        if sees_all_processes() {
            assert_eq!(
                watcher.adopt([OWN, Namespace(u64::MAX)]).lost,
                [Namespace(u64::MAX)]
            );
        }
        assert!(watcher.adopt([OWN]).lost.is_empty());
    }

    #[tokio::test]
    async fn of_namespaces_with_one_id_the_first_has_ended() {
        let watcher = NetnsWatcher::listen(OWN).unwrap();
        for cookie in [5, 6] {
            let mut known = watcher.known();
            known.numbers.insert(Namespace(cookie), 3);
            known
                .by_number
                .entry(3)
                .or_default()
                .push_back(Namespace(cookie));
        }
        let mut message = NsidMessage::default();
        message.attributes = vec![NsidAttribute::Id(3)];
        let payload = RouteNetlinkMessage::DelNsId(message).into();
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), payload);
        message.finalize();
        let mut datagram = vec![0; message.buffer_len()];
        message.serialize(&mut datagram);
        assert_eq!(watcher.ended(&datagram).unwrap(), [Namespace(5)]);
        assert_eq!(watcher.ended(&datagram).unwrap(), [Namespace(6)]);
        assert!(watcher.ended(&datagram).unwrap().is_empty());
    }
}
