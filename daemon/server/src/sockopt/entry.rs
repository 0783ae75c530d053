//! Encodes the table's types as structures of the socket options.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    argument::{DAEMON, NAME},
    field::Structure,
};
use sockvs_ipvs::{
    Destination, DestinationReading, ForwardingMethod, Info, Service, ServiceKey, Stats,
    SyncDaemon, SyncState, Timeouts,
};

/// The buffer size that `IP_VS_SO_GET_VERSION` requires.
pub(super) const VERSION: usize = 64;
/// The size of `struct ip_vs_getinfo`.
pub(super) const INFO: usize = 12;
/// The size of `struct ip_vs_service_entry`.
pub(super) const SERVICE: usize = 104;
/// The size of `struct ip_vs_dest_entry`.
pub(super) const DESTINATION: usize = 96;

/// The flag that every listed server has (`IP_VS_CONN_F_INACTIVE`).
const INACTIVE: u32 = 0x100;
/// The flag of every server without masquerading (`IP_VS_CONN_F_NOOUTPUT`).
const NO_OUTPUT: u32 = 0x80;

/// The kernel's version line, with its NUL.
pub(super) fn version(info: Info) -> Vec<u8> {
    let [_, major, minor, patch] = info.version.to_be_bytes();
    let size = info.connection_table_size;
    format!("IP Virtual Server version {major}.{minor}.{patch} (size={size})\0").into_bytes()
}

/// `struct ip_vs_getinfo`
pub(super) fn info(info: Info, services: usize) -> Vec<u8> {
    Structure::default()
        .u32(info.version)
        .u32(info.connection_table_size)
        .u32(u32::try_from(services).unwrap_or(u32::MAX))
        .finish()
}

/// `struct ip_vs_service_entry` (`ip_vs_copy_service`)
pub(super) fn service(service: &Service, stats: Stats) -> Vec<u8> {
    let (addr, port) = match *service.key() {
        ServiceKey::Address {
            addr: IpAddr::V4(addr),
            port,
            ..
        } => (addr, port),
        _ => (Ipv4Addr::UNSPECIFIED, 0),
    };
    let destinations = service.destinations().len();
    Structure::default()
        .u16(service.key().protocol())
        .padding(2)
        .address(addr)
        .port(port)
        .padding(2)
        .u32(service.key().fwmark().map_or(0, std::num::NonZero::get))
        .text::<NAME>(service.scheduler().name().as_bytes())
        .u32(service.flags().0)
        .u32(service.timeout())
        .u32(service.netmask().0)
        .u32(u32::try_from(destinations).unwrap_or(u32::MAX))
        .bytes(&counters(stats))
        .finish()
}

/// `struct ip_vs_dest_entry`; `None` for a server of another family, for which it has no room.
pub(super) fn destination(
    destination: &Destination,
    reading: DestinationReading,
) -> Option<Vec<u8>> {
    let IpAddr::V4(addr) = destination.key().addr else {
        return None;
    };
    let forwarding = destination.forwarding();
    let output = if forwarding == ForwardingMethod::MASQUERADE {
        0
    } else {
        NO_OUTPUT
    };
    let entry = Structure::default()
        .address(addr)
        .port(destination.key().port)
        .padding(2)
        .u32(forwarding.to_raw() | INACTIVE | output)
        .u32(destination.weight().cast_unsigned())
        .u32(destination.upper_threshold())
        .u32(destination.lower_threshold())
        .u32(reading.active)
        .u32(reading.inactive)
        .u32(reading.persistent)
        .padding(4)
        .bytes(&counters(reading.stats));
    Some(entry.finish())
}

/// `struct ip_vs_stats_user` (`ip_vs_export_stats_user`)
fn counters(stats: Stats) -> Vec<u8> {
    Structure::default()
        .low_u32(stats.conns)
        .low_u32(stats.inpkts)
        .low_u32(stats.outpkts)
        .padding(4)
        .u64(stats.inbytes)
        .u64(stats.outbytes)
        .low_u32(stats.cps)
        .low_u32(stats.inpps)
        .low_u32(stats.outpps)
        .low_u32(stats.inbps)
        .low_u32(stats.outbps)
        .padding(4)
        .finish()
}

/// `struct ip_vs_timeout_user`
pub(super) fn timeouts(timeouts: Timeouts) -> Vec<u8> {
    Structure::default()
        .u32(timeouts.tcp())
        .u32(timeouts.tcp_fin())
        .u32(timeouts.udp())
        .finish()
}

/// Two of `struct ip_vs_daemon_user`, master and backup; one that does not run is all zeros.
pub(super) fn daemons<'a>(running: impl Iterator<Item = &'a SyncDaemon>) -> Vec<u8> {
    let (mut master, mut backup) = (vec![0; DAEMON], vec![0; DAEMON]);
    for daemon in running {
        let slot = match daemon.state() {
            SyncState::Master => &mut master,
            SyncState::Backup => &mut backup,
        };
        *slot = Structure::default()
            .u32(daemon.state().to_raw())
            .text::<NAME>(daemon.interface())
            .u32(daemon.sync_id())
            .finish();
    }
    [master, backup].concat()
}
