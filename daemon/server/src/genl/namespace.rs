//! Our sockets in a client's network namespace: netlink only reaches sockets of the same one.
//!
//! The same sockets answer questions about the namespace's addresses and interfaces. They keep the
//! namespace alive, so they are closed after they were unused for a while.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6, UdpSocket},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto,
            setsockopt, socket, sockopt,
        },
        time::TimeVal,
    },
};

use super::{ClientNamespace, Wait, sync_socket};
use sockvs_ipvs::{Host, Namespace, Owner, RouteType, SyncDaemon};
use sockvs_sys::netns::inside;

/// How long one blocking send waits for a client whose receive buffer is full.
const SEND_TIMEOUT: TimeVal = TimeVal::new(1, 0);
/// How long unused sockets are kept.
const IDLE: Duration = Duration::from_secs(5);
/// For how many network namespaces of one owner sockets are kept, and for how many of all owners.
/// Namespaces of the initial user namespace have no limit. Beyond it, sockets are opened for each
/// request.
const MOST_OF_ONE: usize = 32;
const MOST_OF_ALL: usize = 256;

/// The sockets in one namespace.
pub struct NamespaceSockets {
    namespace: Namespace,
    owner: Owner,
    /// The namespace, to open more sockets in it.
    netns: OwnedFd,
    replies: OwnedFd,
    /// Used to query addresses and interfaces; it never sends anything.
    probe: UdpSocket,
    sent: AtomicU64,
}

impl NamespaceSockets {
    fn open(namespace: Namespace, netns: OwnedFd, owner: Owner) -> io::Result<Self> {
        let (replies, probe) = inside(netns.as_fd(), || {
            let replies = socket(
                AddressFamily::Netlink,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::NetlinkGeneric,
            )?;
            setsockopt(&replies, sockopt::SendTimeout, &SEND_TIMEOUT)?;
            Ok((replies, UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?))
        })?;
        Ok(Self {
            namespace,
            owner,
            netns,
            replies,
            probe,
            sent: AtomicU64::new(0),
        })
    }
}

impl NamespaceSockets {
    /// The namespace's file.
    pub fn netns(&self) -> BorrowedFd<'_> {
        self.netns.as_fd()
    }
}

impl ClientNamespace for NamespaceSockets {
    fn namespace(&self) -> Namespace {
        self.namespace
    }

    fn owner(&self) -> Owner {
        self.owner
    }

    fn send(&self, port: u32, datagram: &[u8], wait: Wait) -> Result<(), Errno> {
        let flags = match wait {
            Wait::No => MsgFlags::MSG_DONTWAIT,
            Wait::ForAWhile => MsgFlags::empty(),
        };
        let to = NetlinkAddr::new(port, 0);
        sendto(self.replies.as_raw_fd(), datagram, &to, flags)?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Host for NamespaceSockets {
    /// The rules treat local and other unicast addresses alike, so every address that is neither
    /// broadcast nor multicast counts as unicast here.
    fn address_type(&self, addr: Ipv4Addr) -> RouteType {
        // A datagram socket without `SO_BROADCAST` cannot connect to a broadcast address.
        let broadcast = || {
            // A previous connect would determine the source address, and with it the error.
            // This clears the source address, too. It cannot fail for a datagram socket.
            let _ = sockvs_sys::socket::disconnect(self.probe.as_fd());
            self.probe
                .connect(SocketAddrV4::new(addr, 9))
                .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        match RouteType::of_bits(addr) {
            Some(kind) => kind,
            None if broadcast() => RouteType::Broadcast,
            None => RouteType::Unicast,
        }
    }

    fn is_local_v6(&self, addr: Ipv6Addr) -> bool {
        // No route sends these to a loopback interface, but a socket can be bound to them.
        if addr.is_unspecified() || addr.is_multicast() || addr.to_ipv4_mapped().is_some() {
            return false;
        }
        // Only a local address can be bound to; a link-local one requires its interface.
        inside(self.netns.as_fd(), || {
            let mut scopes = vec![0];
            if addr.is_unicast_link_local() {
                scopes = nix::net::if_::if_nameindex()?
                    .iter()
                    .map(nix::net::if_::Interface::index)
                    .collect();
            }
            Ok(scopes
                .into_iter()
                .any(|scope| UdpSocket::bind(SocketAddrV6::new(addr, 0, 0, scope)).is_ok()))
        })
        .unwrap_or(false)
    }

    fn interface_mtu(&self, name: &[u8]) -> Option<u32> {
        interface_mtu(self.probe.as_fd(), name)
    }

    fn open_sync_socket(&self, daemon: &SyncDaemon) -> Result<(), i32> {
        let (state, interface) = (daemon.state(), daemon.interface());
        let open = || {
            sync_socket::open(state, interface, daemon.group(), daemon.port())
                .map_err(io::Error::from)
        };
        inside(self.netns.as_fd(), open).map_err(|error| sync_socket::errno(error) as i32)
    }
}

/// The sockets in every namespace with recent clients.
#[derive(Default)]
pub struct Namespaces {
    open: Mutex<HashMap<Namespace, Entry>>,
}

struct Entry {
    sockets: Arc<NamespaceSockets>,
    used: Instant,
}

impl Namespaces {
    /// The sockets in a namespace. If there are none yet, `netns` opens the namespace and returns
    /// its owner; other callers are not blocked meanwhile.
    ///
    /// # Errors
    ///
    /// When the namespace cannot be entered or no socket can be opened in it.
    pub fn sockets(
        &self,
        namespace: Namespace,
        netns: impl FnOnce() -> io::Result<(OwnedFd, Owner)>,
    ) -> io::Result<Arc<NamespaceSockets>> {
        if let Some(entry) = self.open().get_mut(&namespace) {
            entry.used = Instant::now();
            return Ok(Arc::clone(&entry.sockets));
        }
        let (netns, owner) = netns()?;
        let sockets = Arc::new(NamespaceSockets::open(namespace, netns, owner)?);
        let mut open = self.open();
        if owner.is_host() || has_room(&open, owner) {
            let entry = Entry {
                sockets: Arc::clone(&sockets),
                used: Instant::now(),
            };
            open.insert(namespace, entry);
        }
        Ok(sockets)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Namespace, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes sockets that were unused for a while. A pending reply keeps its sockets open.
    pub fn close_idle(&self) {
        self.open().retain(|_, entry| entry.used.elapsed() < IDLE);
    }
}

/// Whether sockets in another namespace of this owner are kept.
fn has_room(open: &HashMap<Namespace, Entry>, owner: Owner) -> bool {
    let owners = || open.values().map(|entry| entry.sockets.owner);
    owners().filter(|its| *its == owner).count() < MOST_OF_ONE
        && owners().filter(|its| !its.is_host()).count() < MOST_OF_ALL
}

fn interface_mtu(socket: BorrowedFd<'_>, name: &[u8]) -> Option<u32> {
    // SAFETY: all bytes zero is a value of this structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = from.cast_signed();
    }
    // SAFETY: the kernel reads the name from, and writes the MTU to, the structure.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) };
    Errno::result(result).ok()?;
    // SAFETY: the request has filled in this member.
    u32::try_from(unsafe { request.ifr_ifru.ifru_mtu }).ok()
}
