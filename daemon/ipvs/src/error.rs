//! Why a request was refused. Each variant is one check of the kernel's, with the kernel's error
//! number; the text is for logs, since netlink carries only the number.

use std::net::IpAddr;

use super::{DataPathFull, DestinationKey, PersistenceEngine, Scheduler, ServiceKey, SyncState};

/// An error. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `EEXIST`: adding a service that exists (`ip_vs_genl_set_cmd`).
    #[error("service {service} exists already: edit it, or delete it first")]
    ServiceExists {
        /// The service.
        service: ServiceKey,
    },

    /// `ESRCH`: any other request about a service that does not exist (`ip_vs_genl_set_cmd`).
    #[error("there is no service {service}: add it first")]
    NoSuchService {
        /// The service.
        service: ServiceKey,
    },

    /// `ENOENT`: no scheduler of this name (`ip_vs_scheduler_get`).
    #[error(
        "service {service}: there is no scheduler \"{}\": choose one of {}",
        .name.escape_ascii(), list(Scheduler::ALL.iter().map(|scheduler| scheduler.name()))
    )]
    NoSuchScheduler {
        /// The service.
        service: ServiceKey,
        /// The name that the client sent.
        name: Vec<u8>,
    },

    /// `ENOENT`: no persistence engine of this name (`ip_vs_pe_getbyname`).
    #[error(
        "service {service}: there is no persistence engine \"{}\": choose one of {}",
        .name.escape_ascii(), list(PersistenceEngine::ALL.iter().map(|engine| engine.name()))
    )]
    NoSuchPersistenceEngine {
        /// The service.
        service: ServiceKey,
        /// The name that the client sent.
        name: Vec<u8>,
    },

    /// `EINVAL`: an IPv6 service whose netmask is not a prefix length (`ip_vs_add_service`).
    #[error("service {service}: {length} is no IPv6 prefix length: give one from 1 to 128")]
    PrefixLength {
        /// The service.
        service: ServiceKey,
        /// The length that the client sent.
        length: u32,
    },

    /// `EINVAL`: a destination of another family while a sync daemon runs (`ip_vs_genl_set_cmd`).
    #[error(
        "service {service}: destination {destination} is of another address family, and sync \
         daemons cannot tell of it: stop them first"
    )]
    MixedFamiliesWhileSyncing {
        /// The service.
        service: ServiceKey,
        /// The destination.
        destination: DestinationKey,
    },

    /// `EINVAL`: a destination of another family without a tunnel (`ip_vs_genl_set_cmd`).
    #[error(
        "service {service}: destination {destination} is of another address family: only the \
         tunnel forwarding method can reach it"
    )]
    MixedFamiliesWithoutTunnel {
        /// The service.
        service: ServiceKey,
        /// The destination.
        destination: DestinationKey,
    },

    /// `ERANGE`: a weight below zero (`ip_vs_add_dest`, `ip_vs_edit_dest`).
    #[error(
        "service {service}: weight {weight} of destination {destination} is negative: give 0 to \
         send it nothing new"
    )]
    NegativeWeight {
        /// The service.
        service: ServiceKey,
        /// The destination.
        destination: DestinationKey,
        /// The weight that the client sent.
        weight: i32,
    },

    /// `ERANGE`: the lower threshold above the upper (`ip_vs_add_dest`, `ip_vs_edit_dest`).
    #[error(
        "service {service}: destination {destination} has lower threshold {lower} above upper \
         threshold {upper}: exchange them, or give no lower one"
    )]
    ThresholdsCrossed {
        /// The service.
        service: ServiceKey,
        /// The destination.
        destination: DestinationKey,
        /// The lower threshold that the client sent.
        lower: u32,
        /// The upper threshold that the client sent.
        upper: u32,
    },

    /// `EINVAL`: an upper threshold above `INT_MAX` (`ip_vs_add_dest`, `ip_vs_edit_dest`).
    #[error(
        "service {service}: upper threshold {upper} of destination {destination} is more than \
         2147483647: give a smaller one, or 0 for no limit"
    )]
    UpperThresholdTooLarge {
        /// The service.
        service: ServiceKey,
        /// The destination.
        destination: DestinationKey,
        /// The upper threshold that the client sent.
        upper: u32,
    },

    /// `EINVAL`: generic UDP encapsulation without a port (`ip_vs_add_dest`, `ip_vs_edit_dest`).
    #[error(
        "service {service}: destination {destination} has a GUE tunnel without a port: give one"
    )]
    TunnelWithoutPort {
        /// The service.
        service: ServiceKey,
        /// The destination.
        destination: DestinationKey,
    },

    /// `EEXIST`: adding a destination that exists (`ip_vs_add_dest`).
    #[error("service {service} has destination {destination} already: edit it, or delete it first")]
    DestinationExists {
        /// The service.
        service: ServiceKey,
        /// The destination.
        destination: DestinationKey,
    },

    /// `ENOENT`: editing or deleting a destination that does not exist (`ip_vs_edit_dest`,
    /// `ip_vs_del_dest`).
    #[error("service {service} has no destination {destination}: add it first")]
    NoSuchDestination {
        /// The service.
        service: ServiceKey,
        /// The destination.
        destination: DestinationKey,
    },

    /// `EINVAL`: an address that no server can have (`ip_vs_new_dest`).
    #[error(
        "service {service}: no server can have the address of destination {destination}: give a \
         unicast address that is not link-local, or one of this machine"
    )]
    DestinationAddress {
        /// The service.
        service: ServiceKey,
        /// The destination.
        destination: DestinationKey,
    },

    /// `EINVAL`: a timeout that overflows in jiffies (`ip_vs_set_timeout`).
    #[error("{which} timeout of {seconds} s is too long: give at most {longest} s")]
    TimeoutOutOfRange {
        /// Which timeout.
        which: &'static str,
        /// The timeout that the client sent.
        seconds: u32,
        /// The longest timeout.
        longest: u32,
    },

    /// `EINVAL`: a sync group that is not a multicast address (`ip_vs_genl_new_daemon`).
    #[error("sync group {group} is no multicast address: give one, or none for 224.0.0.81")]
    SyncGroupNotMulticast {
        /// The group that the client sent.
        group: IpAddr,
    },

    /// `EINVAL`: starting a sync daemon while there are destinations of another family than their
    /// service (`ip_vs_genl_new_daemon`).
    #[error(
        "sync daemons cannot tell of destinations of another address family than their service: \
         delete those first"
    )]
    SyncWithMixedFamilies,

    /// `ENODEV`: a multicast interface that does not exist (`start_sync_thread`).
    #[error("there is no interface \"{}\" to synchronize on: give one that \
        exists", .name.escape_ascii())]
    NoSuchInterface {
        /// The name that the client sent.
        name: Vec<u8>,
    },

    /// `EEXIST`: starting a sync daemon that runs (`start_sync_thread`).
    #[error("the {state} sync daemon runs already: stop it first")]
    SyncDaemonRuns {
        /// The state of the daemon.
        state: SyncState,
    },

    /// The error of a sync daemon's socket (`make_send_sock`, `make_receive_sock`); `ENETUNREACH`
    /// where the interface of a master is down.
    #[error(
        "the {state} sync daemon cannot use its interface (error {errno}): see that it is up and \
         has addresses of the group's family"
    )]
    SyncSocket {
        /// The state of the daemon.
        state: SyncState,
        /// The positive error number.
        errno: i32,
    },

    /// `ESRCH`: stopping a sync daemon that does not run (`stop_sync_thread`).
    #[error("the {state} sync daemon does not run: there is nothing to stop")]
    SyncDaemonNotRunning {
        /// The state of the daemon.
        state: SyncState,
    },

    /// `EINVAL`: a sync daemon that is neither master nor backup (`start_sync_thread`,
    /// `stop_sync_thread`).
    #[error("there is no sync daemon state {raw}: give 1 (master) or 2 (backup)")]
    NoSuchSyncState {
        /// The state that the client sent.
        raw: u32,
    },

    /// `ENOMEM` or `ENOSPC`: the data path is full.
    #[error("service {service} cannot be changed: {reason}: make room, or raise the limits")]
    DataPath {
        /// The service.
        service: ServiceKey,
        /// What is full.
        reason: DataPathFull,
    },

    /// `ENOSPC`: the owner of the namespace may not have more tables.
    #[error("there is no room for another namespace's table: {reason}")]
    TooManyTables {
        /// What is full.
        reason: DataPathFull,
    },
}

impl Error {
    /// The positive error number that the kernel returns in this case.
    pub fn errno(&self) -> i32 {
        match self {
            Self::ServiceExists { .. }
            | Self::DestinationExists { .. }
            | Self::SyncDaemonRuns { .. } => libc::EEXIST,
            Self::NoSuchService { .. } | Self::SyncDaemonNotRunning { .. } => libc::ESRCH,
            Self::NoSuchScheduler { .. }
            | Self::NoSuchPersistenceEngine { .. }
            | Self::NoSuchDestination { .. } => libc::ENOENT,
            Self::PrefixLength { .. }
            | Self::MixedFamiliesWhileSyncing { .. }
            | Self::MixedFamiliesWithoutTunnel { .. }
            | Self::UpperThresholdTooLarge { .. }
            | Self::TunnelWithoutPort { .. }
            | Self::DestinationAddress { .. }
            | Self::TimeoutOutOfRange { .. }
            | Self::SyncGroupNotMulticast { .. }
            | Self::SyncWithMixedFamilies
            | Self::NoSuchSyncState { .. } => libc::EINVAL,
            Self::NegativeWeight { .. } | Self::ThresholdsCrossed { .. } => libc::ERANGE,
            Self::NoSuchInterface { .. } => libc::ENODEV,
            Self::SyncSocket { errno, .. } => *errno,
            Self::DataPath { reason, .. } | Self::TooManyTables { reason } => reason.errno(),
        }
    }
}

/// A list of names, for a sentence.
fn list(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
