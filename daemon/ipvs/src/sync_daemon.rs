//! The connection synchronization daemons of a namespace (`start_sync_thread`, `stop_sync_thread`).
//!
//! This stores the configuration of sync daemons for clients. Nothing is sent or received:
//! connections are redirected in the sockets of this machine, and no other machine could take them
//! over.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::{Error, Host, Ipv6Kind};

const DEFAULT_GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
const DEFAULT_PORT: u16 = 8848;
const DEFAULT_TTL: u8 = 1;
const DEFAULT_MTU: u16 = 1500;
const SMALLEST_BACKUP_MESSAGE: u16 = 1024;
const IPV4_HEADER: u16 = 20;
const IPV6_HEADER: u16 = 40;
const UDP_HEADER: u16 = 8;

/// The state of a daemon (`IP_VS_STATE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncState {
    /// Sends connections to other machines.
    Master,
    /// Receives connections from other machines.
    Backup,
}

impl SyncState {
    /// The state of this number, if it is valid. Both states at once are invalid.
    pub fn from_raw(raw: u32) -> Option<Self> {
        [Self::Master, Self::Backup]
            .into_iter()
            .find(|state| state.to_raw() == raw)
    }

    /// Its number: 1 or 2.
    pub fn to_raw(self) -> u32 {
        match self {
            Self::Master => 1,
            Self::Backup => 2,
        }
    }
}

impl fmt::Display for SyncState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// The configuration that a client sends when it starts a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncDaemonSpec {
    /// The state as the client sent it: the kernel checks the interface first.
    pub state: u32,
    /// The multicast interface's name, without its NUL (at most 15 bytes).
    pub interface: Vec<u8>,
    /// The sync id, as the client sent it.
    pub sync_id: u32,
    /// The largest message in bytes; 0 for the default.
    pub max_length: u16,
    /// The multicast group; `None` for the default. If a client sends one of each family, the
    /// kernel uses the IPv4 one.
    pub group: Option<IpAddr>,
    /// The UDP port, host byte order; 0 for the default.
    pub port: u16,
    /// The time to live; 0 for the default.
    pub ttl: u8,
}

/// A running daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncDaemon {
    state: SyncState,
    interface: Vec<u8>,
    sync_id: u32,
    max_length: u16,
    group: IpAddr,
    port: u16,
    ttl: u8,
}

impl SyncDaemon {
    /// The daemon's state.
    pub fn state(&self) -> SyncState {
        self.state
    }

    /// The multicast interface's name, without a NUL.
    pub fn interface(&self) -> &[u8] {
        &self.interface
    }

    /// The sync id, as the client sent it.
    pub fn sync_id(&self) -> u32 {
        self.sync_id
    }

    /// The largest message, in bytes.
    pub fn max_length(&self) -> u16 {
        self.max_length
    }

    /// The multicast group.
    pub fn group(&self) -> IpAddr {
        self.group
    }

    /// The UDP port, host byte order.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The time to live.
    pub fn ttl(&self) -> u8 {
        self.ttl
    }
}

/// The daemons of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SyncDaemons {
    master: Option<SyncDaemon>,
    backup: Option<SyncDaemon>,
}

impl SyncDaemons {
    /// The running daemons, in dump order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SyncDaemon> {
        self.master.iter().chain(&self.backup)
    }

    pub(super) fn any(&self) -> bool {
        self.iter().next().is_some()
    }

    /// Starts a daemon, and returns it. `mixed` is whether any destination is of another family
    /// than its service.
    pub(super) fn start(
        &mut self,
        spec: SyncDaemonSpec,
        mixed: bool,
        host: &dyn Host,
    ) -> Result<&SyncDaemon, Error> {
        let group = spec.group.unwrap_or(DEFAULT_GROUP);
        if !is_multicast(group) {
            return Err(Error::SyncGroupNotMulticast { group });
        }
        if mixed {
            return Err(Error::SyncWithMixedFamilies);
        }
        let Some(mtu) = host.interface_mtu(&spec.interface) else {
            return Err(Error::NoSuchInterface {
                name: spec.interface,
            });
        };
        let state = known_state(spec.state)?;
        let slot = self.slot(state);
        if slot.is_some() {
            return Err(Error::SyncDaemonRuns { state });
        }
        let daemon = SyncDaemon {
            state,
            max_length: max_length(state, spec.max_length, group, mtu),
            interface: spec.interface,
            sync_id: spec.sync_id,
            group,
            port: or_default(spec.port, DEFAULT_PORT),
            ttl: or_default(spec.ttl, DEFAULT_TTL),
        };
        host.open_sync_socket(&daemon)
            .map_err(|errno| Error::SyncSocket { state, errno })?;
        Ok(slot.insert(daemon))
    }

    /// Stops a daemon, and returns its state.
    pub(super) fn stop(&mut self, state: u32) -> Result<SyncState, Error> {
        let state = known_state(state)?;
        match self.slot(state).take() {
            Some(_) => Ok(state),
            None => Err(Error::SyncDaemonNotRunning { state }),
        }
    }

    fn slot(&mut self, state: SyncState) -> &mut Option<SyncDaemon> {
        match state {
            SyncState::Master => &mut self.master,
            SyncState::Backup => &mut self.backup,
        }
    }
}

fn known_state(raw: u32) -> Result<SyncState, Error> {
    SyncState::from_raw(raw).ok_or(Error::NoSuchSyncState { raw })
}

fn or_default<T: Default + PartialEq>(given: T, default: T) -> T {
    if given == T::default() {
        default
    } else {
        given
    }
}

fn is_multicast(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(addr) => addr.is_multicast(),
        IpAddr::V6(addr) => Ipv6Kind::of(addr) == Ipv6Kind::Multicast,
    }
}

/// The largest message of a daemon, in bytes: the client's value, within bounds, or what fits the
/// MTU. The master assumes 1500 bytes for every interface; only the backup uses the MTU.
fn max_length(state: SyncState, given: u16, group: IpAddr, interface_mtu: u32) -> u16 {
    let headers = UDP_HEADER
        + match group {
            IpAddr::V4(_) => IPV4_HEADER,
            IpAddr::V6(_) => IPV6_HEADER,
        };
    let (mtu, smallest) = match state {
        SyncState::Master => (DEFAULT_MTU, 1),
        SyncState::Backup => (
            u16::try_from(interface_mtu)
                .unwrap_or(u16::MAX)
                .max(DEFAULT_MTU),
            SMALLEST_BACKUP_MESSAGE,
        ),
    };
    match given {
        0 => mtu - headers,
        given => given.clamp(smallest, u16::MAX - headers),
    }
}
